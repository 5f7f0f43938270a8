"""Write-once files under a workspace URL: the only way in which the catalog touches storage.

`create` is put-if-absent, and what it returns can be trusted after a power cut: locally a temporary
name, fsync, an exclusive link and fsync of the folder; on an object store one conditional PUT.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes, urlsplit

import fsspec

from pdray.errors import CatalogError

TEMPORARY = ".tmp-"
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL)
_NO_FOLDER_SYNC = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as a walk finds it. `modified` in seconds since the epoch; None where not known."""

    path: str
    size: int
    modified: float | None

    @property
    def temporary(self) -> bool:
        """Whether it is a file that a write had not finished."""
        return self.path.rsplit("/", 1)[-1].startswith(TEMPORARY)


class Store(Protocol):
    """Files by relative path, each written once and whole."""

    url: str

    def create(self, path: str, data: bytes) -> bool:
        """Writes a new file durably; False, and nothing written, where it exists already."""

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """The bytes of a file or of a part of it. Raises FileNotFoundError."""

    def replace(self, path: str, data: bytes) -> None:
        """Overwrites a file that has one writer only (a heartbeat); readers see old or new."""

    def delete(self, path: str) -> None:
        """Removes a file; no error where it is gone."""

    def prune(self, folder: str) -> None:
        """Removes a folder with no file below it; where it has one, the empty folders in it."""

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """Paths of the files directly in a folder, sorted; empty where there is no such folder."""

    def walk(self, folder: str) -> Iterator[Entry]:
        """Every file below a folder, unfinished ones too, in order of path."""

    def filesystem(self) -> tuple[Any, str]:
        """What pyarrow.dataset takes (filesystem or None for local), and its paths' prefix."""


class LocalStore:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = root.as_uri()

    def create(self, path: str, data: bytes) -> bool:
        """See Store.create."""
        target = self.root / path
        if target.exists():
            return False
        temporary = self._write_temporary(target, data)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not _rename_exclusive(temporary, target):
                return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return True

    def replace(self, path: str, data: bytes) -> None:
        """See Store.replace."""
        target = self.root / path
        self._write_temporary(target, data).replace(target)

    def _write_temporary(self, target: Path, data: bytes) -> Path:
        _make_folder(target.parent)
        temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.read."""
        with (self.root / path).open("rb") as file:
            file.seek(offset)
            return file.read() if length is None else file.read(length)

    def delete(self, path: str) -> None:
        """See Store.delete."""
        (self.root / path).unlink(missing_ok=True)

    def prune(self, folder: str) -> None:
        """See Store.prune."""
        for place, _, _ in os.walk(self.root / folder, topdown=False):
            with contextlib.suppress(OSError):
                Path(place).rmdir()

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """See Store.list."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [
            f"{folder}/{name}"
            for name in names
            if name.endswith(suffix) and not name.startswith(TEMPORARY)
        ]

    def walk(self, folder: str) -> Iterator[Entry]:
        """See Store.walk."""
        for place, folders, names in os.walk(self.root / folder):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                    found = path.stat()
                    relative = path.relative_to(self.root).as_posix()
                    yield Entry(relative, found.st_size, found.st_mtime)

    def filesystem(self) -> tuple[Any, str]:
        """See Store.filesystem."""
        return None, f"{self.root}/"


class ObjectStore:
    """A prefix of any fsspec filesystem whose `pipe_file(mode="create")` is put-if-absent."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.fs, self.prefix = fsspec.core.url_to_fs(self.url)
        self.fs.use_listings_cache = False

    def create(self, path: str, data: bytes) -> bool:
        """See Store.create."""
        try:
            with _oserrors():
                self.fs.pipe_file(f"{self.prefix}/{path}", data, mode="create")
        except FileExistsError:
            return False
        return True

    def replace(self, path: str, data: bytes) -> None:
        """See Store.replace."""
        with _oserrors():
            self.fs.pipe_file(f"{self.prefix}/{path}", data, mode="overwrite")

    def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Store.read."""
        end = None if length is None else offset + length
        with _oserrors():
            return bytes(self.fs.cat_file(f"{self.prefix}/{path}", start=offset or None, end=end))

    def delete(self, path: str) -> None:
        """See Store.delete."""
        with contextlib.suppress(FileNotFoundError), _oserrors():
            self.fs.rm_file(f"{self.prefix}/{path}")

    def prune(self, folder: str) -> None:
        """See Store.prune: an object store has no folders."""

    def list(self, folder: str, suffix: str = "") -> list[str]:
        """See Store.list."""
        try:
            with _oserrors():
                found = self.fs.ls(f"{self.prefix}/{folder}", detail=False, refresh=True)
        except FileNotFoundError:
            return []
        names = sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)
        return [f"{folder}/{name}" for name in names if name.endswith(suffix)]

    def walk(self, folder: str) -> Iterator[Entry]:
        """See Store.walk."""
        with _oserrors():
            found = self.fs.find(f"{self.prefix}/{folder}", detail=True, refresh=True)
        cut = len(self.prefix.lstrip("/")) + 1
        for path, info in sorted(found.items()):
            yield Entry(path.lstrip("/")[cut:], int(info["size"] or 0), _modified(info))

    def filesystem(self) -> tuple[Any, str]:
        """See Store.filesystem."""
        return self.fs, f"{self.prefix}/"


def open_store(url: str) -> Store:
    """The store of a workspace URL; a plain path is a local folder. Raises CatalogError."""
    if url.startswith("file:/"):
        # Bytes, because a folder's name need not be UTF-8.
        return LocalStore(Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path))))
    if "://" not in url:
        return LocalStore(Path(url).expanduser().absolute())
    parts = urlsplit(url)
    try:
        return ObjectStore(url)
    except (ValueError, ImportError) as error:
        raise CatalogError(
            f"The workspace {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path} can't "
            f"be opened: {error}. Use a folder or an s3:// URL."
        ) from error


def _modified(info: dict[str, Any]) -> float | None:
    """When a file was written, as the clients of different stores call it."""
    for key in ("LastModified", "mtime", "updated", "last_modified", "created"):
        found = info.get(key)
        if isinstance(found, str):
            found = datetime.fromisoformat(found)
        if isinstance(found, datetime):
            return found.timestamp()
        if isinstance(found, int | float):
            return float(found)
    return None


@contextlib.contextmanager
def _oserrors() -> Iterator[None]:
    """Clients of object stores have errors of their own (botocore, aiohttp): one kind is enough."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise OSError(lines[0].rstrip(".")) from error


def _rename_exclusive(temporary: Path, target: Path) -> bool:
    """Gives a file its name where hard links are unknown (FAT, some network mounts).

    A lock of the operating system keeps others out and falls with its process, so that a death
    leaves neither a half-written file nor a lock behind.
    """
    import fcntl  # not on Windows, whose own file system has hard links

    with (target.parent / f"{TEMPORARY}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return False
        temporary.rename(target)
    return True


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, each durable in its parent."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:  # some network mounts know no such thing
            raise
    finally:
        os.close(descriptor)
