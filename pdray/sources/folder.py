"""Images in a local folder, or one local image file."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar, NamedTuple

from pdray.records import Failure, ImageRef
from pdray.sources.failure import explain, failure
from pdray.sources.protocol import Content, Entry, Listing, Unreadable, one_by_one
from pdray.sources.selection import EVERYTHING, Selection, is_hidden, is_image_name
from pdray.sources.shards import Span
from pdray.sources.uri import from_path, quote_path, to_path, under, unquote_path


class _Local:
    """How files of this machine are read."""

    __slots__ = ()

    def read(self, uri: str, place: str = "") -> bytes:
        """All bytes of one file."""
        return Path(to_path(uri)).read_bytes()

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        """File after file."""
        return one_by_one(self.read, refs)

    def open(self, uri: str) -> BinaryIO:
        """The file, for reading."""
        return Path(to_path(uri)).open("rb")

    def ranges(self, uri: str, spans: Sequence[Span]) -> Sequence[bytes]:
        """The bytes of each span."""
        with self.open(uri) as file:
            return [_span(file, span) for span in spans]


@dataclass(frozen=True, slots=True)
class FolderSource(_Local):
    """A folder and all below it. Build it with `FolderSource.at`.

    The root's own links are resolved, so one folder has one uri whatever name it was reached by;
    below the root, uris are as the tree shows them. Links to folders are followed after all real
    folders, in sorted order, and no real folder is entered twice: no loop, and an image that two
    names lead to is listed under its real name, or else under the first link.
    """

    root: str
    selection: Selection = EVERYTHING
    remote: ClassVar[bool] = False

    @classmethod
    def at(cls, path: str | os.PathLike[str], selection: Selection = EVERYTHING) -> "FolderSource":
        """The source of an existing folder."""
        return cls(from_path(os.path.realpath(path)).rstrip("/") + "/", selection)

    def list(self) -> Listing:
        """Files of a folder before its subfolders, each sorted by name."""
        return Listing(self._walk)

    def covers(self, uri: str) -> bool:
        """Whether a full listing would name this uri if the file were there."""
        if uri == self.root or not under(uri, self.root):
            return False
        return self.selection.covers(self.relative(uri))

    def relative(self, uri: str) -> str:
        """The path below the root."""
        return os.path.relpath(to_path(uri), to_path(self.root))

    def _walk(self, listing: Listing) -> Iterator[Entry]:
        walk = _Walk(self.selection, listing)
        yield from walk.tree(_Folder("", to_path(self.root), self.root))
        while walk.links:
            links, walk.links = sorted(walk.links), []
            for link in links:
                yield from walk.tree(link, linked=True)


@dataclass(frozen=True, slots=True)
class FileSource(_Local):
    """One local image file, whatever its extension: who names a file means it.

    Links on the way to the file are resolved, its own name is kept, as in a folder's listing.
    The patterns are for what a shard holds.
    """

    root: str
    selection: Selection = EVERYTHING
    remote: ClassVar[bool] = False

    @classmethod
    def at(cls, path: str | os.PathLike[str], selection: Selection = EVERYTHING) -> "FileSource":
        """The source of an existing file."""
        parent, name = os.path.split(os.path.abspath(path))  # noqa: PTH100 (bytes-safe, as given)
        return cls(from_path(os.path.join(os.path.realpath(parent), name)), selection)  # noqa: PTH118

    def list(self) -> Listing:
        """The one file."""
        return Listing(lambda _: iter([_reference(to_path(self.root), self.root)]))

    def covers(self, uri: str) -> bool:
        """Whether it is this file."""
        return uri == self.root

    def relative(self, uri: str) -> str:
        """Its name."""
        return unquote_path(uri.rpartition("/")[2])


class _Folder(NamedTuple):
    relative: str  # to the root, "" or with "/" at its end
    path: str
    uri: str  # with "/" at its end


class _Walk:
    """One walk over a tree: what it has entered, and the links it has yet to follow."""

    def __init__(self, selection: Selection, listing: Listing) -> None:
        self.links: list[_Folder] = []
        self._selection = selection
        self._listing = listing
        self._entered: set[tuple[int, int] | str] = set()

    def tree(self, top: _Folder, *, linked: bool = False) -> Iterator[Entry]:
        """Entries of one real tree; links to folders in it are put off.

        Real folders can't form loops, so only what a link leads to is checked against those
        entered: inode numbers that collide (some network shares) then never hide a real folder.
        """
        stack = [top]
        while stack:
            folder = stack.pop()
            if not self._enter(folder.path, linked=linked):
                continue
            try:
                with os.scandir(folder.path) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                yield Unreadable(folder.uri, f"The folder could not be listed: {_words(error)}")
                continue
            below: list[_Folder] = []
            for entry in found:
                yield from self._entry(entry, folder, below)
            stack.extend(reversed(below))

    def _enter(self, folder: str, *, linked: bool) -> bool:
        try:
            status = os.stat(folder)  # noqa: PTH116 (names that are not UTF-8, and speed)
            key = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(folder)
        except OSError:
            return True  # listing it fails too, and is reported there
        if linked and key in self._entered:
            return False
        self._entered.add(key)
        return True

    def _entry(
        self, entry: os.DirEntry[str], folder: _Folder, below: list[_Folder]
    ) -> Iterator[Entry]:
        name = entry.name
        if is_hidden(name):
            return
        relative = folder.relative + name
        uri = folder.uri + quote_path(name)
        try:
            is_folder = entry.is_dir()
        except OSError:
            is_folder = False  # a link that loops; its stat below says so
        if is_folder:
            if self._selection.enters(relative):
                where = self.links if entry.is_symlink() else below
                where.append(_Folder(f"{relative}/", entry.path, f"{uri}/"))
        elif self._selection.lists(relative):
            yield _reference(entry.path, uri)
        elif self._leads_nowhere(entry, relative):
            # It may have led to a folder full of images on a disk that is not there now.
            yield Unreadable(f"{uri}/", "The link leads to nothing.")
        else:
            self._listing.ignored += 1

    def _leads_nowhere(self, entry: os.DirEntry[str], relative: str) -> bool:
        if not entry.is_symlink() or is_image_name(entry.name):
            return False
        return self._selection.enters(relative) and not Path(entry.path).exists()


def _reference(path: str, uri: str) -> ImageRef | Failure:
    try:
        status = os.stat(path)  # noqa: PTH116 (one call an image: speed)
    except FileNotFoundError as error:
        if os.path.islink(path):  # noqa: PTH114
            return Failure(uri, "list", "broken-link", "The link leads to nothing.")
        return failure(uri, "list", error)
    except OSError as error:
        return failure(uri, "list", error)
    if not stat.S_ISREG(status.st_mode):
        # A pipe or device would block its reader for ever.
        return Failure(uri, "list", "not-a-file", "It is a pipe, socket or device, not a file.")
    return ImageRef(uri, status.st_size, f"{status.st_mtime_ns}-{status.st_size}")


def _span(file: BinaryIO, span: Span) -> bytes:
    file.seek(span.offset)
    return file.read(span.size)


def _words(error: OSError) -> str:
    kind, reason = explain(error)
    return {
        "permission": "this user may not read it.",
        "missing": "it is gone.",
    }.get(kind, reason[:1].lower() + reason[1:])
