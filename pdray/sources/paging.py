"""Listing folders of remote file systems page by page, several folders at a time."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pdray.sources.failure import as_os_error
from pdray.sources.uri import unquote_path

Info = Mapping[str, Any]
Page = list[tuple[str, Info]]  # (name, what fsspec says of it), sorted by name

_LISTERS = 8


class Branch:
    """A folder whose listing may be under way. `base` is its path below the root, with "/"."""

    def __init__(self, system: Any, folder: str, base: str) -> None:
        self.base = base
        self._pages = pages(system, folder)
        self._pool: ThreadPoolExecutor | None = None
        self._coming: Future[Page | None] | None = None

    def start(self, pool: ThreadPoolExecutor) -> None:
        """Asks for the first page, if nobody did."""
        if self._coming is None:
            self._pool, self._coming = pool, pool.submit(next, self._pages, None)

    def __iter__(self) -> Iterator[Page]:
        """The pages; where the listing was started, the next one is under way meanwhile."""
        if self._pool is None or self._coming is None:
            yield from self._pages
            return
        while (page := self._coming.result()) is not None:
            self._coming = self._pool.submit(next, self._pages, None)
            yield page


class Branches:
    """The folders that a walk has yet to list, the last one first. A context manager.

    Where the client allows it, the next few are listed at the same time; their order stays.
    """

    def __init__(self, system: Any) -> None:
        self._system = system
        self._stack: list[Branch] = []
        # Clients without an event loop (ftp, sftp) may hold one connection, for one thread.
        parallel = bool(getattr(system, "async_impl", False))
        self._pool = ThreadPoolExecutor(_LISTERS, "pdray-list") if parallel else None

    def __enter__(self) -> "Branches":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def push(self, folders: list[tuple[str, str]]) -> None:
        """(path, path below the root) of folders, to be listed in this order before the others."""
        self._stack += [Branch(self._system, *folder) for folder in reversed(folders)]

    def __iter__(self) -> Iterator[Branch]:
        while self._stack:
            if self._pool:
                for branch in self._stack[-_LISTERS:]:
                    branch.start(self._pool)
            yield self._stack.pop()


def pages(system: Any, folder: str) -> Iterator[Page]:
    """A folder's entries. Raises OSError, whatever the client raised; also between pages."""
    protocol = system.protocol if isinstance(system.protocol, str) else system.protocol[0]
    try:
        if protocol == "s3" and folder.strip("/"):
            yield from _s3(system, folder)
        else:
            yield _whole(system, folder)
    except OSError:
        raise
    except Exception as error:
        raise as_os_error(error) from error


def _whole(system: Any, folder: str) -> Page:
    try:
        infos = system.ls(folder, detail=True)
    finally:
        # Otherwise a walk over a bucket keeps every listing in memory.
        system.invalidate_cache(folder)
    named = [(_name(info, folder), info) for info in infos]
    return _sorted([(name, info) for name, info in named if name is not None])


def _name(info: Info, folder: str) -> str | None:
    """The last part of an entry's path; None for the folder's own marker."""
    path = info["name"].rstrip("/")
    if path.strip("/") == folder.strip("/"):
        return None
    name: str = path.rpartition("/")[2]
    return unquote_path(name) if "://" in path else name  # http names its files by URL


def _s3(system: Any, folder: str) -> Iterator[Page]:
    """A thousand keys at a time: a prefix may hold millions, which `ls` would gather first."""
    bucket, prefix, _ = system.split_path(folder)
    prefix = f"{prefix.rstrip('/')}/" if prefix else ""
    call: Callable[..., Any] = system.call_s3
    token: dict[str, str] = {}
    while True:
        answer = call(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, Delimiter="/", **token, **system.req_kw
        )
        found: Page = []
        for below in answer.get("CommonPrefixes", []):
            name = below["Prefix"][len(prefix) :].rstrip("/")
            found.append((name, {"name": f"{bucket}/{prefix}{name}", "type": "directory"}))
        for key in answer.get("Contents", []):
            name = key["Key"][len(prefix) :]
            if name:  # else it is the folder's own marker
                info = {"name": f"{bucket}/{key['Key']}", "type": "file", "size": key["Size"]}
                found.append((name, {**info, "ETag": key.get("ETag")}))
        yield _sorted(found)
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def _sorted(page: Page) -> Page:
    return sorted(page, key=lambda item: (item[0], item[1]["type"]))
