"""Row compaction: many small row parts become few large ones, and superseded rows go.

What stays of a collection: of each uri the live row, a tombstone too; and of each other image id
that the uri ever had its last row, cut down to a tombstone. A tombstone is never dropped, because
two things remember it for good: an index that has not yet heard of the end of that id, and the
names of units. Without its number the file, come back, would start at seq 1 again and get the name
of a unit that ledgers hold for applied. (Forgetting keeps the number in Catalog.floor instead.)

A merged part's metadata names the parts that it stands for, so that an index which has applied
those counts it as applied. All new parts are written before the first old one is deleted: whoever
lists sees each row at least once. Names of merged parts sort behind those of units and rise, so
that a listing in pages, read in order, which misses a new part has passed the old ones before.
"""

import time
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from pdray.catalog import schema
from pdray.catalog.catalog import MERGED, Catalog
from pdray.catalog.view import connect, numbered

ROWS_A_PART = 32_768  # a part is read whole to be projected: about 200 MB with its vectors
WASTE = 0.2  # a large part is written anew when more of its rows than this are dead
SETTLE_SECONDS = 1.0  # longer than a local listing takes: it may run while parts are written
_OF_TOMBSTONES = {"uri", "size", "version", "seq", "status", "run_id", "image_id"}
# What a forgotten image leaves: that its id ended. Each such row has a uri of its own.
_NAMELESS = {"uri": "'forgotten:' || lower(hex(r.image_id))", "version": "''", "size": "0"}
_KEYS = ["uri", "seq", "status", "image_id", "content_id", "thumb_pack", "thumb_length"]
_USED = pa.schema([schema.ROWS.field(name) for name in _KEYS[-3:]])
_NUMBERED = pa.schema([*schema.ROWS, pa.field("part", pa.int32())])


@dataclass(slots=True)
class Merge:
    """What a compaction of rows is about to do. `dead` parts hold nothing that stays."""

    parts: int = 0
    rows: int = 0
    dropped: int = 0  # rows
    groups: list[list[str]] = field(default_factory=list)  # each becomes one part
    dead: list[str] = field(default_factory=list)

    @property
    def replaced(self) -> list[str]:
        """Every part that goes."""
        return [*self.dead, *(part for group in self.groups for part in group)]


def is_merged(path: str) -> bool:
    """Whether a row part is one that compaction made, by its name."""
    return path.rsplit("/", 1)[-1].startswith(MERGED)


class Merger:
    """Compacts the rows of one collection, whose lease the caller holds. Close it after use.

    `forgotten` are uris of which nothing stays but the end of each image id, under no name: every
    part with a row of theirs is written again. All of them are ended in `last`, parts that only
    `delete_last` removes, so that no kill in between brings a row of theirs back.
    """

    def __init__(
        self,
        catalog: Catalog,
        collection: str,
        spill: Path | None = None,
        *,
        forgotten: Collection[str] = (),
        last: Collection[str] = (),
        rows_a_part: int = ROWS_A_PART,
    ) -> None:
        self._catalog, self._collection = catalog, collection
        self._last, self._most = set(last), rows_a_part
        self._parts = catalog.parts(collection)
        self._con = connect(spill)
        self.merge = Merge(len(self._parts))
        if self._parts:
            self._judge(pa.table({"uri": pa.array(sorted(forgotten), pa.string())}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def _judge(self, forgotten: pa.Table) -> None:
        self._con.register("rows_", _numbered_reader(self._catalog, self._parts, _KEYS))
        self._con.execute(f"CREATE TABLE keys AS SELECT {', '.join(_KEYS)}, part FROM rows_")
        self._con.unregister("rows_")
        self._con.register("forgotten_", forgotten)
        self._con.execute("CREATE TABLE forgotten AS SELECT uri FROM forgotten_")
        self._con.unregister("forgotten_")
        anew = self._con.execute("SELECT DISTINCT part FROM keys SEMI JOIN forgotten USING (uri)")
        written = {self._parts[part] for (part,) in anew.fetchall()}
        self._con.execute(_KEPT)
        counts = self._con.execute(
            "SELECT part, n, coalesce(k, 0) FROM sizes LEFT JOIN "
            "(SELECT part, count(*) AS k FROM kept GROUP BY part) USING (part)"
        ).fetchall()
        sizes = {self._parts[part]: (rows, kept) for part, rows, kept in counts}
        self.merge.rows = sum(rows for rows, _ in sizes.values())
        self.merge.dead = [part for part in self._parts if not sizes.get(part, (0, 0))[1]]
        self.merge.groups = list(groups(sizes, self._most, written))
        gone = (sizes.get(part, (0, 0)) for part in self.merge.replaced)
        self.merge.dropped = sum(rows - kept for rows, kept in gone)

    def used(self) -> pa.RecordBatchReader:
        """What the live whole rows use: content_id, thumb_pack, thumb_length."""
        if not self._parts:
            return pa.RecordBatchReader.from_batches(_USED, [])
        names = ", ".join(_USED.names)
        found = self._con.execute(f"SELECT {names} FROM kept WHERE whole").to_arrow_table()
        return found.cast(_USED).to_reader()

    def write(self, moved: Mapping[str, Sequence[str]] | None = None) -> list[str]:
        """Writes the new parts; `moved` says which embedding parts stand for those of old."""
        last = max((_number(part) for part in self._parts if is_merged(part)), default=0)
        paths = []
        for number, group in enumerate(self.merge.groups, last + 1):
            name = f"{MERGED}{number:08d}-{uuid.uuid4().hex[:12]}"
            path = self._catalog.part_path(self._collection, name)
            documents = {part: self._catalog.document(part) for part in group}
            replaces = {_name(part): found.get("replaces", {}) for part, found in documents.items()}
            embeddings = _embeddings(documents.values(), moved or {})
            self._catalog.write_merged(path, self._rows(group), embeddings, replaces)
            paths.append(path)
        return paths

    def delete(self, settle_seconds: float = SETTLE_SECONDS) -> None:
        """Removes the parts that the new ones stand for. Call it after `write`."""
        if self.merge.replaced:
            time.sleep(settle_seconds)
        for part in self.merge.replaced:
            if part not in self._last:
                self._catalog.store.delete(part)

    def delete_last(self) -> None:
        """Removes those that were to go after all others."""
        for part in self._last:
            self._catalog.store.delete(part)

    def _rows(self, group: list[str]) -> pa.Table:
        """What stays of a group's rows, sorted by uri."""
        self._con.register("rows_", _numbered_reader(self._catalog, group, schema.ROWS.names))
        places = pa.table({"part": self._places(group), "at": range(len(group))})
        self._con.register("places_", places)
        columns = ", ".join(_column(name) for name in schema.ROWS.names)
        found = self._con.execute(
            f"SELECT {columns} FROM rows_ r JOIN places_ p ON r.part = p.at JOIN kept k "
            "ON k.part = p.part AND k.uri = r.uri AND k.seq = r.seq ORDER BY r.uri, r.seq"
        ).to_arrow_table()
        self._con.unregister("rows_")
        self._con.unregister("places_")
        return found.cast(schema.ROWS)

    def _places(self, group: list[str]) -> list[int]:
        place = {part: number for number, part in enumerate(self._parts)}
        return [place[part] for part in group]


_KEPT = """
CREATE TABLE sizes AS SELECT part, count(*) AS n FROM keys GROUP BY part;
CREATE TABLE carried AS
  SELECT image_id FROM (
    SELECT image_id, status,
      row_number() OVER (PARTITION BY uri ORDER BY seq DESC, n DESC, part DESC) = 1 AS live
    FROM keys JOIN sizes USING (part)
    WHERE (SELECT count(*) FROM forgotten) > 0
  ) WHERE live AND status <> 'deleted' AND image_id IS NOT NULL;
CREATE TABLE kept AS
  SELECT uri, seq, part, content_id, thumb_pack, thumb_length,
    live AND status <> 'deleted' AS whole, forgotten AND NOT carried AS nameless
  FROM (
    SELECT keys.*,
      uri IN (SELECT uri FROM forgotten) AS forgotten,
      image_id IN (SELECT image_id FROM carried) AS carried,
      row_number() OVER by_uri = 1 AS live,
      row_number() OVER by_image = 1 AS last,
      first_value(image_id) OVER by_uri AS holder
    FROM keys JOIN sizes USING (part)
    WINDOW
      by_uri AS (PARTITION BY uri ORDER BY seq DESC, n DESC, part DESC),
      by_image AS (PARTITION BY uri, image_id ORDER BY seq DESC, n DESC, part DESC)
  ) WHERE (live OR (last AND image_id IS NOT NULL AND image_id IS DISTINCT FROM holder))
    AND NOT (forgotten AND image_id IS NULL);
DROP TABLE keys;
"""


def groups(
    sizes: Mapping[str, tuple[int, int]], most: int, anew: Collection[str] = ()
) -> Iterator[list[str]]:
    """Which parts become one, by (rows, rows that stay) of each: small ones together, in order of
    name; large ones alone, where much of them is dead or they are among `anew`.
    """
    group: list[str] = []
    held = 0
    for part, (rows, kept) in sorted(sizes.items()):
        if 2 * kept >= most:
            if part in anew or rows - kept > WASTE * rows:
                yield [part]
        elif kept:
            if group and held + kept > most:
                yield group
                group, held = [], 0
            group.append(part)
            held += kept
    if len(group) > 1 or any(rows > kept for rows, kept in map(sizes.__getitem__, group)):
        yield group


def _column(name: str) -> str:
    if name == "status":
        return "CASE WHEN k.whole THEN r.status ELSE 'deleted' END AS status"
    if name in _NAMELESS:
        return f"CASE WHEN k.nameless THEN {_NAMELESS[name]} ELSE r.{name} END AS {name}"
    if name in _OF_TOMBSTONES:
        return f"r.{name}"
    return f"CASE WHEN k.whole THEN r.{name} END AS {name}"


def _numbered_reader(
    catalog: Catalog, parts: Sequence[str], columns: Sequence[str]
) -> pa.RecordBatchReader:
    """Streams these columns, and "part", the position of the row's file in `parts`."""
    target = pa.schema([_NUMBERED.field(name) for name in (*columns, "part")])

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in numbered(catalog, parts, schema.ROWS, columns):
            place = pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows)
            yield pa.record_batch([*batch.columns, place], schema=target)

    return pa.RecordBatchReader.from_batches(target, batches())


def _embeddings(
    documents: Collection[dict[str, Any]], moved: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for document in documents:
        for space, names in document["embeddings"].items():
            held = found.setdefault(space, set())
            for name in names:
                held.update(moved.get(name, [name]))
    return {space: sorted(names) for space, names in found.items()}


def _number(part: str) -> int:
    return int(part.rsplit("/", 1)[-1].split("-")[1])


def _name(part: str) -> str:
    return part.rsplit("/", 1)[-1].removesuffix(".parquet")


def inherits(path: str, document: dict[str, Any], applied: Collection[str]) -> bool:
    """Whether an index that applied these parts (paths) has all that a merged part holds."""
    folder = path.rsplit("/", 1)[0]

    def holds(name: str, below: dict[str, Any]) -> bool:
        return f"{folder}/{name}.parquet" in applied or _all(below)

    def _all(names: dict[str, Any]) -> bool:
        return bool(names) and all(holds(name, below) for name, below in names.items())

    return _all(document.get("replaces", {}))
