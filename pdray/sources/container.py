"""Files of which some hold many images: their members are listed in their stead."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import BinaryIO, Protocol, cast

from pdray.records import Failure, ImageRef
from pdray.sources import members
from pdray.sources.ahead import ahead
from pdray.sources.blocks import Blocks
from pdray.sources.columns import Columns
from pdray.sources.failure import explain
from pdray.sources.protocol import Content, Entry, Listing, Source, Unreadable
from pdray.sources.selection import Selection, is_hidden, is_image_name
from pdray.sources.shards import TAR, Span, shard_kind, split
from pdray.sources.storage import Storage
from pdray.sources.uri import unquote_path
from pdray.sources.urls import read_urls

_Entries = list[Entry]
_Listed = tuple[_Entries, int]  # with how many files were passed over

_STRETCH = 1000
_READERS = 4  # shards whose headers are read at a time, and windows read ahead


class Files(Source, Protocol):
    """A source of files that can be read in parts; it lists shards as if they were images."""

    @property
    def selection(self) -> Selection:
        """The user's patterns."""

    @property
    def remote(self) -> bool:
        """Whether a network lies between, with a client for many threads: reading ahead pays."""

    def relative(self, uri: str) -> str:
        """Where a file lies below the root, as the patterns see it."""

    def open(self, uri: str) -> BinaryIO:
        """A file that seeks. Raises OSError."""

    def ranges(self, uri: str, spans: Sequence[Span]) -> Sequence[bytes]:
        """The bytes of each span, fewer at the end of the file. Raises OSError."""


@dataclass(frozen=True, slots=True)
class ContainerSource:
    """The images of `files`, and those inside of its shards."""

    files: Files
    storage: Storage = field(default_factory=Storage)  # for images that a table names by URL
    columns: Columns = field(default_factory=Columns)

    @property
    def root(self) -> str:
        """The folder, the image, or what lies in the one shard."""
        root = self.files.root
        return f"{root}!/" if not root.endswith("/") and shard_kind(root) else root

    def list(self) -> Listing:
        """As the files are listed, with the members of a shard where it stands."""
        return Listing(self._walk)

    def read(self, uri: str, place: str = "") -> bytes:
        """All bytes of one image. Without `place` its shard is searched for it."""
        inside = split(uri)
        if inside is None:
            return self.files.read(uri)
        ref = ImageRef(uri, 0, "", place) if place else self._find(uri, inside[0])
        (found,) = self.fetch([ref])
        if isinstance(found, OSError):
            raise found
        return found.data

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        """Each image's content, in order; of a shard's images by ranges, several at once."""
        for shard, group in groupby(refs, key=_shard_of):
            if shard is None:
                yield from self.files.fetch(list(group))
            else:
                read = self._fetch_members if shard_kind(shard) == TAR else self._fetch_rows
                yield from read(shard, list(group))

    def covers(self, uri: str) -> bool:
        """Whether a full listing would name this uri if the image were there."""
        inside = split(uri)
        if inside is None:
            return self.files.covers(uri)
        shard, member = inside
        return self.files.covers(shard) and (not member or self._takes(shard, unquote_path(member)))

    def _walk(self, listing: Listing) -> Iterator[Entry]:
        plain, inside = self.files.list(), 0
        calls = self._calls(plain)
        # A shard's headers are small and far apart: over a network several are read at a time.
        results = ahead(calls, _READERS) if self.files.remote else (call() for call in calls)
        for entries, ignored in results:
            inside += ignored
            listing.ignored = plain.ignored + inside
            yield from entries
        listing.ignored = plain.ignored + inside

    def _calls(self, plain: Listing) -> Iterator[Callable[[], _Listed]]:
        """What to do for each stretch of entries: nothing, or list the one shard."""
        most = _STRETCH if self.files.remote else 1
        held: _Entries = []
        for entry in plain:
            if isinstance(entry, ImageRef) and shard_kind(entry.uri):
                if held:
                    yield partial(_as_it_is, held)
                    held = []
                yield partial(self._list_shard, entry)
                continue
            held.append(entry)
            if len(held) >= most:
                yield partial(_as_it_is, held)
                held = []
        yield partial(_as_it_is, held)

    def _list_shard(self, shard: ImageRef) -> _Listed:
        inside = self._inside(shard, partial(self._takes, shard.uri))
        entries: _Entries = list(inside.images)
        if inside.fault:
            entries += _faults(f"{shard.uri}!/", inside.fault)
        return entries, inside.ignored

    def _inside(self, shard: ImageRef, takes: Callable[[str], bool]) -> members.Inside:
        try:
            if self.files.remote and shard_kind(shard.uri) == TAR:
                blocks = Blocks(partial(self.files.ranges, shard.uri), shard.size)
                return members.listed(shard, cast(BinaryIO, io.BufferedReader(blocks, 512)), takes)
            with self.files.open(shard.uri) as file:
                if shard_kind(shard.uri) == TAR:
                    return members.listed(shard, file, takes)
                from pdray.sources import parquet  # Arrow is slow to import

                return parquet.listed(shard, file, takes, self.columns)
        except OSError as error:
            return members.Inside([], 0, error)

    def _takes(self, shard: str, member: str) -> bool:
        """Whether a member is listed: to the patterns, a shard is a folder, or the root."""
        names = member.split("/")
        passed_over = any(is_hidden(name) for name in names) or not is_image_name(names[-1])
        if passed_over and shard_kind(shard) == TAR:
            return False
        alone = shard == self.files.root
        path = member if alone else f"{self.files.relative(shard)}/{member}"
        return self.files.selection.takes(path)

    def _find(self, uri: str, shard: str) -> ImageRef:
        with self.files.open(shard) as file:
            size = file.seek(0, os.SEEK_END)
        inside = self._inside(ImageRef(shard, size, ""), lambda name: True)
        for ref in inside.images:
            if ref.uri == uri:
                return ref
        raise inside.fault or FileNotFoundError(f"{uri} is not in its shard")

    def _fetch_members(self, shard: str, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        calls = (
            partial(members.fetched, shard, window, self.files.ranges)
            for window in members.windows(refs)
        )
        results = ahead(calls, _READERS) if self.files.remote else (call() for call in calls)
        for found in results:
            yield from found

    def _fetch_rows(self, shard: str, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        from pdray.sources import parquet

        try:
            file = self.files.open(shard)
        except OSError as error:
            yield from [error] * len(refs)
            return
        with file:
            read = partial(read_urls, self.storage, shard)
            yield from parquet.fetched(file, refs, self.columns, read)


def _shard_of(ref: ImageRef) -> str | None:
    inside = split(ref.uri)
    return inside[0] if inside else None


def _as_it_is(entries: _Entries) -> _Listed:
    return entries, 0


def _faults(prefix: str, fault: OSError) -> _Entries:
    """One line among the errors, and a shield for what was indexed from there before."""
    kind, reason = explain(fault)
    return [Failure(prefix, "list", kind, reason), Unreadable(prefix, reason)]
