"""Images behind any fsspec URL: s3://bucket/prefix, gs://..., memory://..., sftp://host/path."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pdray.errors import SourceError
from pdray.records import Failure, ImageRef
from pdray.sources.failure import explain
from pdray.sources.protocol import Entry, Listing, Unreadable
from pdray.sources.selection import EVERYTHING, Selection, is_hidden, is_image_name
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
        return cls(root, parts.scheme, authority, selection, system.storage_options)

    def list(self) -> Listing:
        """Files of a folder before its subfolders, each sorted by name."""
        return Listing(self._walk)

    def read(self, uri: str) -> bytes:
        """All bytes of one object."""
        try:
            data = self._system().cat_file(self._path(uri))
        except OSError:
            raise
        except Exception as error:
            # Clients have errors of their own (botocore, aiohttp); readers expect OSError alone.
            raise OSError(_line(error)) from error
        return bytes(data)

    def covers(self, uri: str) -> bool:
        """Whether a full listing would name this uri if the object were there."""
        if not self.root.endswith("/"):
            return uri == self.root
        if uri == self.root or not under(uri, self.root):
            return False
        return self.selection.covers(unquote_path(uri[len(self.root) :]))

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
        stack = [(self._path(self.root), "")]
        while stack:
            folder, base = stack.pop()
            try:
                found = _list_folder(system, folder)
            except OSError as error:
                yield Unreadable(self.root + quote_path(base), _reason(error))
                continue
            below: _Folders = []
            for name, info in found:
                yield from self._entry(system, info, base + name, below, listing)
            stack.extend(reversed(below))

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
            if not self.selection.excludes(relative):
                below.append((info["name"], f"{relative}/"))
        elif is_image_name(name) and self.selection.takes(relative):
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
    except ImportError as error:
        raise SourceError(f"{shown} needs another package: {_line(error)}.") from error
    except FileNotFoundError as error:
        raise SourceError(f"{shown} does not exist; check the bucket and the path.") from error
    except PermissionError as error:
        raise SourceError(
            f"{shown} may not be read with these credentials; check the account's rights."
        ) from error
    except Exception as error:
        # Every protocol has errors of its own; for the user they are all "can't be opened".
        why = _line(error).replace(url, shown)
        raise SourceError(
            f"{shown} can't be opened ({why}); check the URL, the network and the credentials."
        ) from error
    return system, path, is_file


def _uri(scheme: str, authority: str, path: str) -> str:
    if "://" in path:  # http names its files by URL
        return path
    return f"{scheme}://{authority}{quote_path(path if authority else path.lstrip('/'))}"


def without_credentials(url: str) -> str:
    """The URL as it may be shown and stored: without user and password."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def _list_folder(system: Any, folder: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(name, info) sorted by name. Raises OSError, whatever the client raised."""
    try:
        infos = system.ls(folder, detail=True)
    except OSError:
        raise
    except Exception as error:
        # Clients have errors of their own (botocore, aiohttp); one folder must not end the run.
        raise OSError(_line(error)) from error
    finally:
        # Otherwise a walk over a bucket keeps every listing in memory.
        system.invalidate_cache(folder)
    named = [(_name(info, folder), info) for info in infos]
    kept = [(name, info) for name, info in named if name is not None]
    return sorted(kept, key=lambda item: (item[0], item[1]["type"]))


def _name(info: Mapping[str, Any], folder: str) -> str | None:
    """The last part of an entry's path; None for the folder's own marker."""
    path = info["name"].rstrip("/")
    if path.strip("/") == folder.strip("/"):
        # s3fs shows keys such as "folder//a.jpg" as a folder of the folder's own name.
        below_nothing = info["name"].endswith("/") and info["type"] == "directory"
        return "" if below_nothing and "StorageClass" in info else None
    name: str = path.rpartition("/")[2]
    return unquote_path(name) if "://" in path else name  # http names its files by URL


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


def _line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
