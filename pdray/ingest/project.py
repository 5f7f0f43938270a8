"""Bringing an index to what the catalog says.

Vectors are always the catalog's stored fp16, renormalised, so a rebuild gives what ingestion gave.
A part whose rows are all whole can be applied the moment it is committed. Whatever takes a point
away waits for `catch_up`, which sees the live rows of the whole collection: a point goes only when
no live row carries its id.
"""

import duckdb
import numpy as np
from numpy.typing import NDArray

from pdray.catalog.catalog import Catalog, Part
from pdray.catalog.view import KnownContents, connect, known_contents, load_live
from pdray.errors import CatalogError
from pdray.index.opening import open_index
from pdray.index.points import Point, payload
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.records import ImageRecord, ModelSpec

_MARK_EVERY = 16  # parts; a mark flushes the index, and an unmarked part is only applied again
_COLUMNS = ["uri", "seq", "status", "image_id"]


class Projector:
    """Applies catalog parts to the index of one embedding space."""

    def __init__(self, catalog: Catalog, index: Index, spec: ModelSpec) -> None:
        self.catalog, self.index, self.spec = catalog, index, spec
        self._unmarked: list[str] = []
        self._known: KnownContents | None = None

    @classmethod
    def open(cls, catalog: Catalog, target: IndexTarget, spec: ModelSpec) -> "Projector":
        """Opens the index too. Raises IndexUnavailable."""
        return cls(catalog, open_index(target, spec.space, spec.dim), spec)

    def apply(self, path: str) -> int:
        """Applies a part that was just committed; returns the points written.

        Its rows are live: the plan lets no other unit of the run hold their uris. A part with rows
        that end something is left for `catch_up`.
        """
        part = self.catalog.read_part(path)
        rows = [r for r in part.records if r.status == "ok"]
        self._upsert(part, rows)
        if all(r.status == "ok" or r.image_id is None for r in part.records):
            self._unmarked.append(path)
        if len(self._unmarked) >= _MARK_EVERY:
            self._mark()
        return len(rows)

    def pending(self, collection: str) -> list[str]:
        """Committed parts that the index has not applied."""
        return sorted(set(self.catalog.parts(collection)) - self.index.ledger.applied())

    def catch_up(self, collection: str) -> int:
        """Applies everything that is pending; returns the points written or removed."""
        self._mark()
        pending = self.pending(collection)
        if not pending:
            return 0
        with connect() as con:
            load_live(con, self.catalog, collection, _COLUMNS)
            changed = 0
            ended: set[str] = set()
            for path in pending:
                part = self.catalog.read_part(path)
                live = _live_uris(con, path)
                rows = [r for r in part.records if r.uri in live]
                self._upsert(part, rows)
                changed += len(rows)
                ended |= {r.image_id for r in part.records if r.image_id and r.status != "ok"}
            lost = sorted(ended - _carried(con, ended))
        self.index.delete(lost)
        self.index.ledger.mark(pending)
        return changed + len(lost)

    def _upsert(self, part: Part, rows: list[ImageRecord]) -> None:
        if not rows:
            return
        vectors = self._vectors(part, rows)
        self.index.upsert(
            [
                Point(
                    str(row.image_id), vectors[str(row.content_id)], payload(part.collection, row)
                )
                for row in rows
            ]
        )

    def _vectors(self, part: Part, rows: list[ImageRecord]) -> dict[str, NDArray[np.float32]]:
        """By content: from the parts that the row part names, else from anywhere in the space."""
        wanted = {str(row.content_id) for row in rows}
        found = self._read(part.embeddings.get(self.spec.space, []), wanted)
        missing = wanted - found.keys()
        if missing:
            if self._known is None or any(self._known.find(c) is None for c in missing):
                self._known = known_contents(self.catalog, self.spec.space)
            places = {self._known.find(content) for content in missing}
            found |= self._read(sorted(p for p in places if p), missing)
        lost = wanted - found.keys()
        if lost:
            raise CatalogError(
                f"{len(lost)} images of {part.path} have no embedding by {self.spec.name}. "
                f"Run `pdray index` with --model {self.spec.name} to make them."
            )
        return found

    def _read(self, paths: list[str], wanted: set[str]) -> dict[str, NDArray[np.float32]]:
        found: dict[str, NDArray[np.float32]] = {}
        for path in paths:
            contents, vectors = self.catalog.vectors([path])
            for content, vector in zip(contents, vectors, strict=True):
                if content in wanted:
                    found.setdefault(content, vector)
        return found

    def _mark(self) -> None:
        if self._unmarked:
            self.index.ledger.mark(self._unmarked)
            self._unmarked.clear()

    def close(self) -> None:
        """Notes what was applied and lets the index go."""
        self._mark()
        self.index.close()


def _live_uris(con: duckdb.DuckDBPyConnection, part: str) -> set[str]:
    rows = con.execute("SELECT uri FROM live WHERE part = ? AND status = 'ok'", [part]).fetchall()
    return {row[0] for row in rows}


def _carried(con: duckdb.DuckDBPyConnection, image_ids: set[str]) -> set[str]:
    """Which of these ids a live whole row carries."""
    rows = con.execute(
        "SELECT DISTINCT image_id::BLOB FROM live WHERE status = 'ok' AND hex(image_id) IN "
        "(SELECT unnest(?::VARCHAR[]))",
        [[i.replace("-", "").upper() for i in image_ids]],
    ).fetchall()
    return {_uuid(row[0]) for row in rows}


def _uuid(value: bytes) -> str:
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
