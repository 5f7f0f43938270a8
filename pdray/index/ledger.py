"""The write-once record of which catalog parts an index has applied.

Each mark is one new small file of JSON lines, a part's name a line; nothing is ever rewritten, so
object stores and crashes are no concern, and a lost mark only means that a part is applied again.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pdray.errors import IndexUnavailable


class Ledger:
    """The ledger in one folder (a path or an fsspec URL). The folder appears with the first mark.

    `before_mark` runs before anything is noted: an index flushes there, so that the ledger never
    claims what a power cut could take back.
    """

    def __init__(self, folder: str, before_mark: Callable[[], None] | None = None) -> None:
        self._folder = folder
        self._before_mark = before_mark
        self._read: dict[str, frozenset[str]] = {}  # by file: files never change

    @property
    def folder(self) -> str:
        """Where it lies."""
        return self._folder

    def applied(self) -> set[str]:
        """The names of all parts that were marked, by this or any other process."""
        try:
            self._catch_up()
        except (OSError, ValueError) as error:
            raise IndexUnavailable(
                f"The index ledger at {self._folder} can't be read ({error}): make it readable, "
                "or run `pdray rebuild`."
            ) from error
        return set().union(*self._read.values())

    def mark(self, parts: Iterable[str]) -> None:
        """Notes that these parts are in the index. Idempotent; one batch is one small file."""
        new = sorted(set(parts).difference(*self._read.values()))
        if not new:
            return
        if self._before_mark is not None:
            self._before_mark()
        name = f"{uuid.uuid4().hex}.jsonl"
        text = "".join(json.dumps(part) + "\n" for part in new)
        try:
            self._write(name, text.encode())
        except OSError as error:
            raise IndexUnavailable(
                f"The index ledger at {self._folder} can't be written ({error}): make it writable."
            ) from error
        self._read[name] = frozenset(new)

    def forget(self) -> None:
        """Removes the ledger with everything in it: its index is gone."""
        files, folder = self._open()
        if files.exists(folder):
            files.rm(folder, recursive=True)
        self._read.clear()

    def _open(self) -> tuple[Any, str]:
        import fsspec  # heavy; the query path never needs it

        files, folder = fsspec.core.url_to_fs(self._folder)
        files.invalidate_cache()
        return files, folder.rstrip("/")

    def _catch_up(self) -> None:
        files, folder = self._open()
        try:
            listed = files.ls(folder, detail=False)
        except FileNotFoundError:
            return
        unread = {
            path.rsplit("/", 1)[-1]: path
            for path in listed
            if path.endswith(".jsonl") and path.rsplit("/", 1)[-1] not in self._read
        }
        if not unread:
            return
        contents = files.cat(list(unread.values()))
        for name, path in unread.items():
            lines = contents[path].decode().splitlines()
            self._read[name] = frozenset(json.loads(line) for line in lines)

    def _write(self, name: str, data: bytes) -> None:
        files, folder = self._open()
        if "file" in (files.protocol if isinstance(files.protocol, tuple) else (files.protocol,)):
            write_durably(Path(folder) / name, data)
        else:
            files.pipe_file(f"{folder}/{name}", data)  # object stores show whole objects only


def write_durably(path: Path, data: bytes) -> None:
    """Writes a local file whole or not at all: temporary name, fsync, rename, fsync the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    with hidden.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
