"""Images behind any fsspec URL: s3://bucket/prefix, gs://..., memory://..., sftp://host/path."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources.ahead import ahead
from pdray.sources.chain import chain, first_line
from pdray.sources.failure import as_os_error, explain
from pdray.sources.guard import PrivateHost
from pdray.sources.paging import Branches
from pdray.sources.protocol import Content, Entry, Listing, Unreadable
from pdray.sources.selection import EVERYTHING, Selection, is_hidden
from pdray.sources.shards import Span
from pdray.sources.uri import quote_path, under, unquote_path

_ETAGS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "Content-MD5", "Digest", "sha")
_TIMES = (
    "Last-Modified",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "modified",
    "modify",
    "created",
)

_BLOCK = 2**20
_BUFFER = 4 * 2**10
_WINDOW_IMAGES = 16
_WINDOW_BYTES = 16 * 2**20

_Folders = list[tuple[str, str]]  # (path as fsspec names it, path relative to the root with "/")


@dataclass(frozen=True, slots=True)
class BucketSource:
    """A folder (or one file) of a file system that fsspec knows. Build it with `BucketSource.at`.

    Uris are `scheme://` and the percent-encoded path as fsspec names it, with the host where the
    path lacks it, and never a user or password. Credentials come from the environment as the
    protocol's own tools read them, from the URL, or from `options`; they travel with the pickle and
    show in no repr.
    """

    root: str
    scheme: str
    authority: str = ""
    selection: Selection = EVERYTHING
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    remote: bool = False

    @classmethod
    def at(
        cls, url: str, selection: Selection = EVERYTHING, options: Mapping[str, Any] | None = None
    ) -> "BucketSource":
        """The source of an existing folder or file. Raises SourceError in one sentence."""
        shown = without_credentials(url)
        system, path, is_file = _open(url, shown, options or {})
        parts = urlsplit(shown)
        # s3 and gs keep the bucket in the path; sftp, ftp and smb keep the host apart from it.
        inside = "://" in path or f"{path.strip('/')}/".startswith(f"{parts.netloc}/")
        authority = "" if inside else parts.netloc
        uri = _uri(parts.scheme, authority, path).rstrip("/")
        root = uri if is_file else f"{uri}/"
        # A client without an event loop (ftp, sftp) may hold one connection, for one thread.
        remote = bool(getattr(system, "async_impl", False))
        return cls(root, parts.scheme, authority, selection, system.storage_options, remote)

    def list(self) -> Listing:
        """Files of a folder before its subfolders, each sorted by name."""
        return Listing(self._walk)

    def read(self, uri: str, place: str = "") -> bytes:
        """All bytes of one object."""
        (data,) = self._cat([self._path(uri)], [None], [None])
        if isinstance(data, OSError):
            raise data
        return data

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        """Several objects at a time, and the next ones meanwhile."""
        calls = (partial(self._contents, some) for some in _windows(refs))
        for found in ahead(calls, 1) if self.remote else (call() for call in calls):
            yield from found

    def open(self, uri: str) -> BinaryIO:
        """The object as a file that seeks, read in blocks."""
        try:
            file = self._system().open(
                self._path(uri), "rb", block_size=_BLOCK, cache_type="readahead"
            )
        except Exception as error:
            raise as_os_error(error) from error
        return cast(BinaryIO, io.BufferedReader(_Told(file), _BUFFER))

    def ranges(self, uri: str, spans: Sequence[Span]) -> Sequence[bytes]:
        """The bytes of each span, asked for together."""
        path = self._path(uri)
        found = self._cat(
            [path] * len(spans), [span.offset for span in spans], [span.end for span in spans]
        )
        for one in found:
            if isinstance(one, OSError):
                raise one
        data = [one for one in found if not isinstance(one, OSError)]
        if any(len(one) > span.size for one, span in zip(data, spans, strict=True)):
            raise OSError("the server sends no parts of a file, only whole ones")
        return data

    def covers(self, uri: str) -> bool:
        """Whether a full listing would name this uri if the object were there."""
        if not self.root.endswith("/"):
            return uri == self.root
        if uri == self.root or not under(uri, self.root):
            return False
        return self.selection.covers(self.relative(uri))

    def relative(self, uri: str) -> str:
        """The path below the root; of a root that is one object, its name."""
        if not self.root.endswith("/"):
            return unquote_path(uri.rpartition("/")[2])
        return unquote_path(uri[len(self.root) :])

    def _contents(self, refs: Sequence[ImageRef]) -> Sequence[Content | OSError]:
        nothing: list[int | None] = [None] * len(refs)
        found = self._cat([self._path(ref.uri) for ref in refs], nothing, nothing)
        return [one if isinstance(one, OSError) else Content(one) for one in found]

    def _cat(
        self, paths: Sequence[str], starts: Sequence[int | None], ends: Sequence[int | None]
    ) -> Sequence[bytes | OSError]:
        """Parts of files. Not `cat`, which takes the signs *?[] of a name for a pattern."""
        try:
            found = self._system().cat_ranges(
                list(paths), list(starts), list(ends), on_error="return"
            )
        except Exception as error:
            return [as_os_error(error)] * len(paths)
        return [as_os_error(one) if isinstance(one, Exception) else bytes(one) for one in found]

    def _system(self) -> Any:
        import fsspec

        return fsspec.filesystem(self.scheme, **self.options)

    def _path(self, uri: str) -> str:
        if self.scheme in ("http", "https"):
            return uri
        return unquote_path(uri[len(f"{self.scheme}://{self.authority}") :])

    def _walk(self, listing: Listing) -> Iterator[Entry]:
        system = self._system()
        if not self.root.endswith("/"):
            yield _one(system, self._path(self.root), self.root)
            return
        with Branches(system) as branches:
            branches.push([(self._path(self.root), "")])
            for branch in branches:
                below: _Folders = []
                try:
                    for page in branch:
                        for name, info in page:
                            yield from self._entry(system, info, branch.base + name, below, listing)
                except OSError as error:
                    yield Unreadable(self.root + quote_path(branch.base), _reason(error))
                branches.push(below)

    def _entry(
        self,
        system: Any,
        info: Mapping[str, Any],
        relative: str,
        below: _Folders,
        listing: Listing,
    ) -> Iterator[Entry]:
        name = relative.rpartition("/")[2]
        if not name:
            yield Unreadable(
                f"{self.root}{quote_path(relative)}/",
                "Keys with nothing between two slashes can't be listed; rename them.",
            )
        elif is_hidden(name):
            return
        elif info["type"] == "directory":
            if self.selection.enters(relative):
                below.append((info["name"], f"{relative}/"))
        elif self.selection.lists(relative):
            yield _reference(system, info, self.root + quote_path(relative))
        else:
            listing.ignored += 1


def _one(system: Any, path: str, uri: str) -> Entry:
    try:
        return _reference(system, system.info(path), uri)
    except OSError as error:
        return Failure(uri, "list", *explain(error))


def _reference(system: Any, info: Mapping[str, Any], uri: str) -> ImageRef | Failure:
    if info.get("size") is None:  # http listings say names only
        try:
            info = system.info(info["name"])
        except OSError as error:
            return Failure(uri, "list", *explain(error))
    size = int(info.get("size") or 0)
    return ImageRef(uri, size, _version(info, size))


def _open(url: str, shown: str, options: Mapping[str, Any]) -> tuple[Any, str, bool]:
    """(file system, path in it, whether that is a file); every error becomes a SourceError."""
    try:
        import fsspec.core

        system, path = fsspec.core.url_to_fs(url, **options)
        # fsspec remembers listings within a process; a folder may have changed since.
        system.invalidate_cache()
        is_file = bool(path.strip("/")) and system.info(path)["type"] != "directory"
        is_file = is_file and not url.endswith("/")  # http knows no folders but by their slash
    except Exception as error:
        raise _refusal(url, shown, error) from error
    return system, path, is_file


def _refusal(url: str, shown: str, error: Exception) -> SourceError:
    """Why a source can't be opened, in one sentence."""
    if any(isinstance(cause, PrivateHost) for cause in chain(error)):
        return SourceError(
            f"{shown} is at a private address; set sources.private_hosts to true if it may be read."
        )
    if isinstance(error, ImportError) and "gcsfs" in str(error):
        return SourceError(f"{shown} needs the package gcsfs: pip install 'pdray[gs]'.")
    if isinstance(error, ImportError):
        return SourceError(f"{shown} needs another package: {first_line(error)}.")
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{shown} does not exist; check the bucket and the path.")
    if isinstance(error, PermissionError):
        return SourceError(
            f"{shown} may not be read with these credentials; check the account's rights."
        )
    # Every protocol has errors of its own; for the user they are all "can't be opened".
    why = first_line(error).replace(url, shown)
    return SourceError(
        f"{shown} can't be opened ({why}); check the URL, the network and the credentials."
    )


def _uri(scheme: str, authority: str, path: str) -> str:
    if "://" in path:  # http names its files by URL
        return path
    return f"{scheme}://{authority}{quote_path(path if authority else path.lstrip('/'))}"


def without_credentials(url: str) -> str:
    """The URL as it may be shown and stored: without user and password."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def _version(info: Mapping[str, Any], size: int) -> str:
    for key in _ETAGS:
        if info.get(key):
            return str(info[key]).strip('"')
    for key in _TIMES:
        if info.get(key) is not None:
            return f"{info[key]}-{size}"
    return f"size-{size}"


def _reason(error: OSError) -> str:
    kind, reason = explain(error)
    words = {"permission": "these credentials may not read it.", "missing": "it is gone."}
    return f"The folder could not be listed: {words.get(kind, reason[:1].lower() + reason[1:])}"


def _windows(refs: Sequence[ImageRef]) -> Iterator[list[ImageRef]]:
    """Objects cut into pieces that are read together."""
    held: list[ImageRef] = []
    for ref in refs:
        size = sum(one.size for one in held) + ref.size
        if held and (len(held) >= _WINDOW_IMAGES or size > _WINDOW_BYTES):
            yield held
            held = []
        held.append(ref)
    if held:
        yield held


class _Told(io.RawIOBase):
    """A file of fsspec whose errors are all OSErrors."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except Exception as error:  # a web server that sends no parts: its file doesn't seek
            raise as_os_error(error) from error

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except Exception as error:
            raise as_os_error(error) from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
