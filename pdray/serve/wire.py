"""Calls between processes of this machine over a socket in the file system.

0.05 ms there and back with ten hits, where a call of a Ray actor takes 1.5 ms. Frames are a
length and a pickle: only this user's processes can reach the socket's folder (meeting.py).
"""

import pickle
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pdray import log
from pdray.errors import IndexUnavailable, PdrayError

_LENGTH = struct.Struct("<Q")
_PAUSE = 0.05
Methods = Mapping[str, Callable[..., Any]]


class Listener:
    """Answers calls with `methods`, a thread a connection. One that yields answers in pieces."""

    def __init__(self, path: Path, methods: Methods) -> None:
        self._path, self._methods = path, methods
        self._lines: set[socket.socket] = set()
        self._turn = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX)
        # Bound aside and moved into place: whoever finds it can connect.
        aside = path.with_name(f".{path.name}.{threading.get_native_id()}")
        aside.unlink(missing_ok=True)
        self._server.bind(str(aside))
        self._server.listen(128)
        aside.replace(path)
        threading.Thread(target=self._accept, name="listener", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                line, _ = self._server.accept()
                with self._turn:
                    self._lines.add(line)
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        try:
            while True:
                name, arguments, named = pickle.loads(_receive(line))
                for frame in self._answer(name, arguments, named):
                    line.sendall(frame)
        except (OSError, EOFError):
            pass  # the other side has ended
        finally:
            with self._turn:
                self._lines.discard(line)
            line.close()

    def _answer(self, name: str, arguments: Any, named: Any) -> Iterator[bytes]:
        try:
            found = self._methods[name](*arguments, **named)
            if isinstance(found, Iterator):
                for piece in found:
                    yield _frame((True, piece))
                found = None
            yield _frame((False, found))
        except Exception as error:  # whatever it is, it belongs to who asked
            if not isinstance(error, PdrayError | ValueError):
                log.get("serve").error("%s failed", name, exc_info=error)
                error = IndexUnavailable(f"The index failed ({type(error).__name__}): try again.")
            yield _frame((None, error))

    def close(self) -> None:
        """Ends all connections."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._turn:
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


class Caller:
    """Calls a listener, from any thread: each call takes a connection of its own.

    Calls must be idempotent: one whose connection breaks is made again, for `patience` seconds.
    """

    def __init__(self, path: Path, patience: float = 3.0) -> None:
        self._path, self._patience = path, patience
        self._free: queue.LifoQueue[socket.socket] = queue.LifoQueue()

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """What the method gives. Raises what it raises, or IndexUnavailable."""
        pieces = list(self.stream(name, *arguments, **named))
        return pieces[-1]

    def stream(self, name: str, *arguments: Any, **named: Any) -> Iterator[Any]:
        """The pieces, then what is returned."""
        request = _frame((name, arguments, named))
        end = time.monotonic() + self._patience
        begun = False
        while True:
            line = None
            try:
                line = self._line()
                line.sendall(request)
                more: bool | None = True
                while more:
                    more, found = pickle.loads(_receive(line))
                    if more is None:
                        break
                    begun = True
                    yield found
                self._free.put(line)
                if more is None:
                    raise found
                return
            except (OSError, EOFError) as error:
                if line is not None:
                    line.close()
                if begun or time.monotonic() > end:
                    raise IndexUnavailable(
                        "The process that holds the index doesn't answer: try again in a moment."
                    ) from error
                time.sleep(_PAUSE)

    def _line(self) -> socket.socket:
        with suppress(queue.Empty):
            return self._free.get_nowait()
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(60.0)
        try:
            line.connect(str(self._path))
        except BaseException:
            line.close()
            raise
        return line

    def close(self) -> None:
        """Lets the free connections go."""
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait().close()


def _frame(what: object) -> bytes:
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def _receive(line: socket.socket) -> bytes | bytearray:
    (length,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    return _exactly(line, length)


def _exactly(line: socket.socket, length: int) -> bytes | bytearray:
    first = line.recv(length)
    if len(first) == length:
        return first
    if not first:
        raise EOFError
    data = bytearray(length)
    view, got = memoryview(data), len(first)
    view[:got] = first
    while got < length:
        count = line.recv_into(view[got:])
        if not count:
            raise EOFError
        got += count
    return data
