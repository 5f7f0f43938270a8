"""One process owns an embedded index at a time: an flock on a file that says who holds it.

The kernel lets go of the lock when its holder dies, however it dies. The file itself is never
removed or replaced: the lock belongs to its inode.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pdray.errors import IndexUnavailable

OWNER_FILE = "owner.json"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Owner:
    """Holds the owner file of `folder` until `release`."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Lets the next process in. Releasing twice is fine."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def own(
    folder: Path,
    *,
    label: str | None = None,
    wait_seconds: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Owner:
    """Owns `folder`, waiting for its holder for at most `wait_seconds`.

    Raises IndexUnavailable, naming the holder, when the time is up, and when the folder can't be
    made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Only this user: the file names a command.
        handle = os.open(folder / OWNER_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IndexUnavailable(
            f"The index folder {folder} can't be written ({error.strerror}): make it writable."
        ) from error
    end, pause = clock() + wait_seconds, _FIRST_PAUSE
    while not _locked(handle):
        left = end - clock()
        if left <= 0:
            os.close(handle)
            raise IndexUnavailable(
                f"The index in {folder} is in use by {_holder(folder)}: wait for it to end or stop "
                "it, then try again."
            )
        sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)
    _sign(handle, label)
    return Owner(handle)


def owned_by(folder: Path) -> dict[str, Any] | None:
    """What the owner of the folder says of itself, as `read_owner`; None where nobody owns it."""
    try:
        handle = os.open(folder / OWNER_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_owner(folder) or {}
    finally:
        os.close(handle)
    return None


def read_owner(folder: Path) -> dict[str, Any] | None:
    """Who last owned the folder: pid, host, command, since (ISO 8601, UTC). It may be gone."""
    try:
        said = json.loads((folder / OWNER_FILE).read_text())
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: int, label: str | None) -> None:
    said = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": label or _command(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(said).encode(), 0)


def _command() -> str:
    """Program and subcommand; the arguments after them may hold keys and are nobody's business."""
    words = [Path(sys.argv[0] or "python").name]
    words += [word for word in sys.argv[1:2] if not word.startswith("-")]
    return " ".join(words)


def _holder(folder: Path) -> str:
    said = read_owner(folder)
    if said is None:
        return "another process"
    return (
        f"process {said.get('pid')} ({said.get('command')}) on {said.get('host')} "
        f"since {said.get('since')}"
    )
