"""Bringing an index to what the catalog says.

Vectors are always the catalog's stored fp16, renormalised, so a rebuild gives what ingestion gave.
A part whose rows are all whole can be applied the moment it is committed. Whatever takes a point
away waits for `catch_up`, which sees the live rows of the whole collection: a point goes only when
no live row carries its id.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import groupby, islice

import duckdb
import numpy as np
from numpy.typing import NDArray

from pdray.catalog import captions
from pdray.catalog.catalog import Catalog, Part
from pdray.catalog.merging import inherits, is_merged
from pdray.catalog.view import (
    KnownContents,
    carried,
    connect,
    holding,
    known_contents,
    live_by_part,
    load_live,
    whole,
)
from pdray.errors import IndexUnavailable, LibraryUnavailable
from pdray.index.opening import open_index
from pdray.index.points import Derived, Point, payload
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.ingest.carrying import carry, write
from pdray.library.library import Library, opened
from pdray.records import ImageRecord, ModelSpec, Said

_MARK_EVERY = 16  # parts; a mark flushes the index, and an unmarked part is only applied again
_EDITS = 500  # a write
_COLUMNS = ["uri", "seq", "status", "image_id", "content_id"]


class Projector:
    """Applies catalog parts to the index of one embedding space.

    `lacking` is how many live images the last `catch_up` found without a vector in the space: their
    parts stay pending until a run has embedded them, or they are gone.
    """

    def __init__(
        self, catalog: Catalog, index: Index, spec: ModelSpec, library: Library | None = None
    ) -> None:
        self.catalog, self.index, self.spec = catalog, index, spec
        self._library = library
        self.lacking = 0
        self._unmarked: list[str] = []
        self._known: KnownContents | None = None
        self._captions: dict[str, captions.Captions | None] = {}  # by collection

    @classmethod
    def open(cls, catalog: Catalog, target: IndexTarget, spec: ModelSpec) -> "Projector":
        """Opens the index too. Raises IndexUnavailable."""
        index = open_index(target, spec.space, spec.dim)
        return cls(catalog, index, spec, opened(target.library))

    def apply(self, path: str) -> int:
        """Applies a part that was just committed; returns the points written.

        Its rows are live: the plan lets no other unit of the run hold their uris. A part with rows
        that end something is left for `catch_up`.
        """
        part = self.catalog.read_part(path)
        rows = [r for r in part.records if r.status == "ok"]
        written = self._upsert(part, rows)
        if written == len(rows) and not _ended(part):
            self._applied(path)
        return written

    def pending(self, collection: str) -> list[str]:
        """Committed parts that the index has not applied, rows before captions, sorted."""
        return waiting(self.catalog, collection, self.index.ledger.applied())[0]

    def catch_up(self, collection: str) -> int:
        """Applies everything that is pending; returns the points written or removed."""
        self._mark()
        self.lacking, self._known = 0, None
        self._captions.clear()
        pending, inherited = waiting(self.catalog, collection, self.index.ledger.applied())
        self._unmarked += inherited
        self._mark()
        if not pending:
            return 0
        with connect() as con:
            load_live(con, self.catalog, collection, _COLUMNS)
            if not self.catalog.embedding_parts(self.spec.space):
                # Nothing was ever embedded by this model, so the index holds nothing to end.
                self.lacking = whole(con)
                return 0
            described = captions.marked(pending)
            rows = [name for name in pending if not name.startswith(f"{captions.FOLDER}/")]
            changed = self._apply_all(con, rows)
            changed += self._describe(con, collection, described, set(rows))
            self._unmarked += [captions.mark(path, collection) for path in described]
            self._mark()
            return changed

    def carry(self, collection: str) -> None:
        """Brings in edits that wait, as where replicas hold a key that can't write."""
        with self._library_saying():
            while self._library and (waiting := self._library.waiting(collection)):
                carry(self._library, [row.image_id for row in waiting], lambda _: [self.index])

    def say_again(self, collection: str) -> None:
        """Writes what people say of every image of a collection, into an index that was not there
        when they said it.
        """
        with self._library_saying():
            rows = self._library.all(collection, empty=True) if self._library else iter(())
            while some := list(islice(rows, _EDITS)):
                write(some, lambda _: [self.index])

    def _describe(
        self,
        con: duckdb.DuckDBPyConnection,
        collection: str,
        described: list[str],
        fresh: Collection[str],
    ) -> int:
        """Writes the points of live rows anew whose contents these parts of captions describe; not
        those of parts just applied, nor of the unit that made the captions: they have them.
        """
        changed = 0
        for path in described:
            try:
                contents = captions.read(self.catalog, path)
            except FileNotFoundError:
                continue  # merged since: the new part is pending next
            own = Catalog.part_path(collection, path.rsplit("/", 1)[-1].removesuffix(".parquet"))
            found = holding(con, contents)
            for part, rows in groupby(found, key=lambda row: row[0]):
                if part == own or part in fresh:
                    continue
                keys = {(uri, seq) for _, uri, seq in rows}
                read = self.catalog.read_part(part)
                changed += self._upsert(read, [r for r in read.records if (r.uri, r.seq) in keys])
        return changed

    def _apply_all(self, con: duckdb.DuckDBPyConnection, pending: list[str]) -> int:
        changed = 0
        ended: set[str] = set()
        waiting: list[str] = []
        for path, live in live_by_part(con, pending):
            part = self.catalog.read_part(path)
            rows = [r for r in part.records if (r.uri, r.seq) in live]
            written = self._upsert(part, rows)
            changed += written
            self.lacking += len(rows) - written
            taken = _ended(part)
            ended |= taken
            if written == len(rows):
                waiting.append(path) if taken else self._applied(path)
        lost = sorted(ended - carried(con, ended))
        self.index.delete(lost)
        self._unmarked += waiting
        self._mark()
        return changed + len(lost)

    def _upsert(self, part: Part, rows: list[ImageRecord]) -> int:
        """Writes those rows that have a vector; returns how many."""
        if not rows:
            return 0
        vectors = self._vectors(part, rows)
        derived = self._derived(part, rows)
        said = self._people([str(r.image_id) for r in rows])
        points = [
            Point(
                str(r.image_id),
                vectors[str(r.content_id)],
                payload(part.collection, r, derived.get(str(r.content_id))),
                said.get(str(r.image_id)),
            )
            for r in rows
            if r.content_id in vectors
        ]
        if points:
            self.index.upsert(points)
            now = self._people([point.id for point in points])
            # Who edits a point that isn't there yet finds nothing to change.
            late = [p.id for p in points if now.get(p.id) != p.said]
            if late:
                self.index.annotate({id: now.get(id, {}) for id in late})
        return len(points)

    def _people(self, ids: list[str]) -> dict[str, Said]:
        """What people say of these images."""
        with self._library_saying():
            return self._library.said(ids) if self._library else {}

    @contextmanager
    def _library_saying(self) -> Iterator[None]:
        """Without people's words the index can't be brought up to date."""
        try:
            yield
        except LibraryUnavailable as error:
            raise IndexUnavailable(str(error)) from error

    def _derived(self, part: Part, rows: list[ImageRecord]) -> dict[str, Derived]:
        """By content: what the captioner that the collection shows says."""
        if part.collection not in self._captions:
            by = captions.serving(self.catalog, part.collection)
            held = captions.Captions(self.catalog, by) if by else None
            self._captions[part.collection] = held
        found = self._captions[part.collection]
        if found is None:
            return {}
        unit = part.path.rsplit("/", 1)[-1].removesuffix(".parquet")
        texts = found.of((str(row.content_id) for row in rows), own=unit)
        return {content: Derived(text, found.spec.name) for content, text in texts.items()}

    def _vectors(self, part: Part, rows: list[ImageRecord]) -> dict[str, NDArray[np.float32]]:
        """By content: from the parts that the row part names, else from anywhere in the space."""
        wanted = {str(row.content_id) for row in rows}
        found = self._read(part.embeddings.get(self.spec.space, []), wanted)
        missing = wanted - found.keys()
        if missing:
            if self._known is None:
                self._known = known_contents(self.catalog, self.spec.space)
            places = {self._known.find(content) for content in missing}
            found |= self._read(sorted(p for p in places if p), missing)
        return found

    def _read(self, paths: list[str], wanted: set[str]) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = {}
        for path in paths:
            try:
                contents, vectors = self.catalog.vectors([path])
            except FileNotFoundError:
                continue  # lost: the same content may lie elsewhere, else it counts as lacking
            for content, vector in zip(contents, vectors, strict=True):
                if content in wanted:
                    found.setdefault(content, vector)
        return found

    def _applied(self, path: str) -> None:
        self._unmarked.append(path)
        if len(self._unmarked) >= _MARK_EVERY:
            self._mark()

    def _mark(self) -> None:
        if self._unmarked:
            self.index.ledger.mark(self._unmarked)
            self._unmarked.clear()

    def close(self) -> None:
        """Notes what was applied and lets the index go."""
        self._mark()
        self.index.close()
        if self._library:
            self._library.close()


def waiting(
    catalog: Catalog, collection: str, applied: Collection[str]
) -> tuple[list[str], list[str]]:
    """Parts that an index which applied these still has to apply (of rows, then marks of those of
    captions), and merged parts of which it has every row already; all sorted.
    """
    pending: list[str] = []
    inherited: list[str] = []
    for path in sorted(set(catalog.parts(collection)).difference(applied)):
        known = is_merged(path) and inherits(path, catalog.document(path), applied)
        (inherited if known else pending).append(path)
    return pending + captions.unapplied(catalog, collection, applied), inherited


def _ended(part: Part) -> set[str]:
    """Image ids of rows that may take a point away."""
    return {r.image_id for r in part.records if r.image_id and r.status != "ok"}
