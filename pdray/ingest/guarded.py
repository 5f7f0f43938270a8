"""Looking at suspects: images that were in hand when a process died, more than once.

Each is decoded in a child process with limits of time and memory, so that it can crash, hang or eat
memory without harm; what comes of it is either what any image gives, or a Failure that says what it
did. The child imports no Ray.
"""

import contextlib
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

from pdray.images.errors import ImageError
from pdray.images.examine import Examined
from pdray.records import Failure, Preprocessing

DEATHS = 2  # from which on an image is looked at here
_CHILD = (
    "import sys; sys.path[:] = {path!r}; from pdray.ingest.guarded_child import answer; answer()"
)
_READY_SECONDS = 120.0  # for the child to start, on a machine at its limit


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one image: seconds, and bytes that the child may take beyond what it starts with."""

    seconds: float = 120.0
    memory: int = 4 * 2**30


class Guard:
    """A child that decodes; made anew after each death. Use it as a context manager."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # one question at a time

    def __enter__(self) -> "Guard":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def examine(
        self,
        uri: str,
        data: bytes,
        rules: tuple[Preprocessing, ...],
        *,
        thumbnail_side: int,
        max_pixels: int,
        wanted: frozenset[str] | None = None,
    ) -> Examined | Failure:
        """As images.examine, except that nothing the image does can end this process."""
        options = {
            "thumbnail_side": thumbnail_side,
            "max_pixels": max_pixels,
            "wanted": wanted,
        }
        with self._lock:
            return self._examine(uri, (data, rules, options))

    def _examine(self, uri: str, question: tuple[Any, ...]) -> Examined | Failure:
        child = self._running()
        try:
            self._send(child, question)
            found = self._receive(child, self.limits.seconds)
        except TimeoutError:
            self._stop()
            return Failure(
                uri,
                "decode",
                "timeout",
                f"Decoding took more than {self.limits.seconds:.0f} s, twice and once more alone: "
                "the file is probably made to hang decoders.",
            )
        except (EOFError, OSError, pickle.UnpicklingError):
            return self._died(uri, child)
        if isinstance(found, MemoryError):
            return _too_hungry(uri, self.limits.memory)
        if isinstance(found, ImageError):
            return Failure(uri, "decode", found.kind, found.reason)
        if isinstance(found, Exception):
            return Failure(uri, "decode", "unexpected", f"It upset the decoder: {found!r}.")
        assert isinstance(found, Examined)
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            code = _CHILD.format(path=sys.path)
            self._child = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._send(self._child, self.limits.memory)
            self._receive(self._child, _READY_SECONDS)
        return self._child

    @staticmethod
    def _send(child: subprocess.Popen[bytes], value: object) -> None:
        assert child.stdin is not None
        pickle.dump(value, child.stdin)
        child.stdin.flush()

    @staticmethod
    def _receive(child: subprocess.Popen[bytes], seconds: float) -> Any:
        assert child.stdout is not None
        return _load(child.stdout, time.monotonic() + seconds)

    def _died(self, uri: str, child: subprocess.Popen[bytes]) -> Failure:
        # Its pipe closes a moment before it can be asked how it ended.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        self._stop()
        code = child.returncode
        if code == -signal.SIGKILL:  # nobody but the system's memory guard sends it
            return _too_hungry(uri, self.limits.memory)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return Failure(
            uri, "decode", "crash", f"Decoding ends the process ({how}), each time it is tried."
        )

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()  # it holds nothing; without effect where it is dead
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # it died with bytes in the pipe
                    stream.close()


def _too_hungry(uri: str, memory: int) -> Failure:
    return Failure(
        uri,
        "decode",
        "memory",
        f"Decoding asks for more memory than the limit of {memory / 2**30:.1f} GiB.",
    )


def _load(stream: IO[bytes], until: float) -> Any:
    """One pickled value; TimeoutError when it isn't there in time."""
    ready, _, _ = select.select([stream], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        raise TimeoutError
    return pickle.load(stream)
