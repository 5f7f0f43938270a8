"""Makes the plan: the set difference of a listing and the catalog.

Both sides are cut into buckets by uri (`buckets.py`) and compared some buckets at a time
(`comparison.py`), so memory does not grow with the collection. What differs is kept in DuckDB,
which spills past its limit. Vanished is judged only where the listing was complete.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pdray.catalog import schema
from pdray.catalog.buckets import Buckets, together
from pdray.catalog.catalog import Catalog
from pdray.catalog.comparison import Comparison
from pdray.catalog.plan import Plan, Rows, Vanished, outermost
from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, connect, known_contents, numbered
from pdray.records import Failure, ImageRef

_BATCH = 50_000
_MEMORY = "512MB"  # of DuckDB, for what differs
_LISTING = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("source", pa.int32()),
        pa.field("place", pa.string()),
        pa.field("failure_kind", pa.string()),
        pa.field("failure_reason", pa.string()),
    ]
)
_KEPT = ["uri", "size", "version", "seq", "image_id", "content_id"]
_JUDGED = ["status", "space", "failure_stage", "failure_kind"]
_DEADLY = ["crash", "timeout", "memory"]  # what decoding a suspect may end in
_ROWS = pa.schema(
    [
        *(schema.ROWS.field(name) for name in _KEPT),
        pa.field("status", pa.dictionary(pa.int8(), pa.string())),
        pa.field("foreign", pa.bool_()),  # whole, and by its own word without a vector in the space
        pa.field("unread", pa.bool_()),  # failed when it was read
        pa.field("deadly", pa.bool_()),  # failed by what it did to its process
        pa.field("part", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may have moved, as far as it shows without reading: `left` rows, `arrived` items.

    `left` are vanished rows and those of changed files; of the latter, the item that is at their
    uri now is among `arrived` too.
    """

    left: list[Vanished]
    arrived: list[Item]


class Planner:
    """Takes a listing in, gives a Plan and the items of work out. Close it after use."""

    def __init__(self, catalog: Catalog, collection: str, space: str, spill: Path | None) -> None:
        self._catalog, self._collection, self._space = catalog, collection, space
        self._parts = catalog.parts(collection)
        self._comparison = Comparison(connect(spill, _MEMORY))
        self._con = self._comparison.con
        self._rows = Buckets(_ROWS, spill)
        self._listing = Buckets(_LISTING, spill)
        # Columns, not refs: what holds many objects is searched by the garbage collector each time.
        self._uris: list[str] = []
        self._sizes: list[int] = []
        self._versions: list[str] = []
        self._of: list[int] = []
        self._places: list[str] = []
        self._failed: dict[int, Failure] = {}  # by position
        self._roots: list[str] = []
        self._unreadable: list[str] = []
        try:
            self._load()
        except OSError:
            # Without a lease (a dry run) a compaction may have merged them since they were listed.
            if set(self._parts) <= set(catalog.parts(collection)):
                raise
            self._rows.close()
            self._rows = Buckets(_ROWS, spill)
            self._parts = catalog.settled_parts(collection)
            self._load()

    def _load(self) -> None:
        """Reads what is committed, a few parts at a time."""
        held: list[pa.RecordBatch] = []
        many = 0
        columns = [*_KEPT, *_JUDGED]
        for part, batch in numbered(self._catalog, self._parts, schema.ROWS, columns):
            held.append(
                batch.append_column("part", pa.repeat(pa.scalar(part, pa.int32()), len(batch)))
            )
            many += len(batch)
            if many >= _BATCH:
                self._keep(held)
                held, many = [], 0
        if held:
            self._keep(held)

    def _keep(self, batches: list[pa.RecordBatch]) -> None:
        table = pa.Table.from_batches(batches).combine_chunks()
        whole = pc.equal(table["status"], "ok")
        here = pc.fill_null(pc.equal(table["space"], self._space), False)
        judged = {
            "status": table["status"].cast(_ROWS.field("status").type),
            "foreign": pc.and_not(whole, here),
            "unread": pc.fill_null(pc.equal(table["failure_stage"], "read"), False),
            "deadly": pc.and_(
                pc.fill_null(pc.equal(table["failure_stage"], "decode"), False),
                pc.is_in(table["failure_kind"], pa.array(_DEADLY)),
            ),
        }
        columns = {name: table[name] for name in (*_KEPT, "part")} | judged
        kept = pa.table({field.name: columns[field.name] for field in _ROWS}, schema=_ROWS)
        for batch in kept.to_batches():  # one, or none for empty parts
            self._rows.add(batch, batch["uri"].to_pylist())

    def __enter__(self) -> "Planner":
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()
        self._rows.close()
        self._listing.close()

    def add(self, entry: ImageRef | Failure, source: int) -> None:
        """One entry of a listing."""
        if isinstance(entry, Failure):
            self._failed[len(self._uris)] = entry
            # What can't even be listed has no version: its kind stands in, so that the same
            # fault is unchanged on the next run.
            entry = ImageRef(entry.uri, 0, f"unlisted-{entry.kind}")
        self._uris.append(entry.uri)
        self._sizes.append(entry.size)
        self._versions.append(entry.version)
        self._of.append(source)
        self._places.append(entry.place)
        if len(self._uris) >= _BATCH:
            self._flush()

    def listed(self, root: str) -> None:
        """This root was listed to its end."""
        self._roots.append(root)

    def unreadable(self, prefix: str) -> None:
        """Nothing under this prefix may be judged vanished."""
        self._unreadable.append(prefix)

    def _flush(self) -> None:
        kind: list[str | None] = [None] * len(self._uris)
        reason = kind.copy()
        for at, failure in self._failed.items():
            kind[at], reason[at] = failure.kind, failure.reason
        columns = (self._uris, self._sizes, self._versions, self._of, self._places, kind, reason)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, _LISTING, strict=True)]
        self._listing.add(pa.RecordBatch.from_arrays(arrays, schema=_LISTING), self._uris)
        for column in columns:
            column.clear()
        self._failed.clear()

    def plan(
        self,
        *,
        full: bool = False,
        failed: bool = False,
        covers: Callable[[str], bool] = lambda uri: True,
    ) -> Plan:
        """Compares. `full` asks for all images again, `failed` for those that could not be indexed;
        `covers` says whether a complete listing would name a uri if it were there.
        """
        self._flush()
        self._rows.seal()
        self._listing.seal()
        compare = self._comparison
        roots, unreadable = list(outermost(self._roots)), list(outermost(self._unreadable))
        floor = self._catalog.floor(self._collection)
        compare.begin(roots, unreadable, full, failed, floor)
        known: KnownContents | None = None
        for some in together(self._rows, self._listing):
            rows = self._rows.rows(some)
            foreign = np.asarray(rows["foreign"].to_numpy(), bool)
            if known is None and foreign.any():
                known = known_contents(self._catalog, self._space)
            lacking = _lacking(rows, foreign, known) if known is not None else foreign
            compare.add(self._listing.rows(some), rows.append_column("lacking", pa.array(lacking)))
        del known
        compare.end(covers)
        return self._plan()

    def _plan(self) -> Plan:
        by = self._comparison.counts()
        plan = Plan(
            seen=self._comparison.seen,
            new=by.get("new", 0),
            changed=by.get("changed", 0),
            again=by.get("again", 0),
            retries=self._one("SELECT count(*) FROM compared WHERE retry AND failure_kind IS NULL"),
            parts=self._parts,
            remaining=dict(self._comparison.remaining),
        )
        unlisted = self._one("SELECT count(*) FROM compared WHERE failure_kind IS NOT NULL")
        plan.failures = Rows(unlisted, self._failures)
        plan.unchanged = plan.seen - plan.work - unlisted
        plan.vanished = Rows(self._one("SELECT count(*) FROM gone"), self._vanished)
        return plan

    def items(self, *, retries: bool = False) -> Iterator[Item]:
        """The images to read, ordered by uri; with `retries` only those that could not be read
        before. Call after `plan`.
        """
        yield from map(
            _item,
            self._stream(
                f"SELECT {_ITEM} FROM compared WHERE failure_kind IS NULL AND (retry OR NOT ?) "
                "ORDER BY uri",
                [retries],
            ),
        )

    def deadly(self) -> set[tuple[str, str]]:
        """(uri, version) of those images to read that once ended, hung or filled a process."""
        found = self._con.execute("SELECT uri, version FROM compared WHERE deadly").fetchall()
        return {(str(uri), str(version)) for uri, version in found}

    def candidates(self) -> Candidates:
        """What may have moved: to a new name, or onto that of a changed file (a swap, a chain).

        A new file of a vanished file's size may hold its content, whenever it was written. Onto the
        name of another image only a rename is looked for, which keeps the version that a listing
        tells: otherwise every file written in place would have to be read twice.

        Rows whose image id another live row carries were moved there before.
        """
        self._con.execute(_MOVED)
        left = self._fetched(
            f"SELECT {_LEFT} FROM departed WHERE image_id NOT IN (SELECT image_id FROM held) AND "
            "(displaced OR size IN (SELECT size FROM arrived) "
            "OR version IN (SELECT version FROM arrived)) ORDER BY displaced, uri"
        )
        gone = [self._left(row) for row in left]
        arrived = self._fetched(f"SELECT {_ITEM} FROM arrived ORDER BY uri")
        return Candidates(gone, [_item(row) for row in arrived])

    def _one(self, sql: str) -> int:
        return int(self._con.execute(sql).fetchall()[0][0])

    def _fetched(self, sql: str) -> Iterator[Any]:
        """Rows of a query over this connection's own tables: no other may run meanwhile."""
        self._con.execute(sql)
        while rows := self._con.fetchmany(10_000):
            yield from rows

    def _stream(self, sql: str, parameters: object = None) -> Iterator[Any]:
        """Rows of a query, with a cursor of its own: other queries may run meanwhile."""
        cursor = self._con.cursor()
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(10_000):
            yield from rows

    def _failures(self) -> Iterator[tuple[Item, Failure]]:
        rows = self._stream(
            f"SELECT {_ITEM}, failure_kind, failure_reason FROM compared "
            "WHERE failure_kind IS NOT NULL ORDER BY uri"
        )
        for row in rows:
            yield _item(row[:-2]), Failure(row[0], "list", row[-2], row[-1])

    def _vanished(self) -> Iterator[Vanished]:
        return map(self._left, self._stream(f"SELECT {_LEFT} FROM gone ORDER BY uri"))

    def _left(self, row: tuple[Any, ...]) -> Vanished:
        uri, size, version, seq, status, image, content, part = row
        return Vanished(
            uri, size, version, seq, status, _text(image), _hex(content), self._parts[part]
        )


_ITEM = "uri, size, version, seq, source, image_id, content_id, born, place"
_LEFT = "uri, size, version, seq, status, image_id, content_id, part"

_MOVED = f"""
CREATE OR REPLACE TEMP TABLE new_or_changed AS
  SELECT * FROM compared WHERE failure_kind IS NULL AND todo IN ('new', 'changed');
CREATE OR REPLACE TEMP TABLE departed AS
  SELECT {_LEFT}, false AS displaced FROM gone
  WHERE status = 'ok' AND content_id IS NOT NULL AND image_id IS NOT NULL
  UNION ALL
  SELECT uri, was_size, was_version, seq - 1, was_status, image_id, content_id, part, true
  FROM new_or_changed
  WHERE was_status = 'ok' AND was_version IN (SELECT version FROM new_or_changed);
CREATE OR REPLACE TEMP TABLE arrived AS
  SELECT * FROM new_or_changed
  WHERE (todo = 'new' AND size IN (SELECT size FROM departed WHERE NOT displaced))
    OR version IN (SELECT version FROM departed)
    OR uri IN (SELECT uri FROM departed WHERE displaced);
CREATE OR REPLACE TEMP TABLE held AS
  SELECT c.image_id FROM carried c JOIN
    (SELECT image_id, count(*) AS times FROM departed GROUP BY image_id) d USING (image_id)
  WHERE c.ok GROUP BY c.image_id HAVING count(*) > any_value(d.times);
"""


def _lacking(rows: pa.Table, foreign: NDArray[np.bool_], known: KnownContents) -> NDArray[np.bool_]:
    """Of the foreign rows those whose content has no vector in the space."""
    where = np.flatnonzero(foreign)
    ids = rows["content_id"].take(pa.array(where)).to_pylist()
    lacking = foreign.copy()
    lacking[where] = ~known.hold(np.array(ids, "S16"))
    return lacking


def _item(row: tuple[Any, ...]) -> Item:
    uri, size, version, seq, source, image, content, born, place = row
    return Item(uri, size, version, seq, source, _text(image), _hex(content), born, place)


def _hex(value: uuid.UUID | None) -> str | None:
    return value.hex if value is not None else None


def _text(value: uuid.UUID | None) -> str | None:
    return str(value) if value is not None else None
