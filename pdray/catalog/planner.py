"""Makes the plan: the set difference of a listing and the catalog.

The listing streams into DuckDB in batches, so the driver holds neither it nor the catalog in Python
objects. Vanished is judged only where the listing was complete.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pdray.catalog import schema
from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Plan, Vanished, outermost
from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, connect, known_contents, load_live, scan
from pdray.records import Failure, ImageRef

_BATCH = 50_000
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
        self._con = connect(spill)
        self._catalog, self._space = catalog, space
        self._parts = load_live(self._con, catalog, collection)
        self._con.register("listing_", _LISTING.empty_table())
        self._con.execute("CREATE TABLE listing AS SELECT * FROM listing_")
        self._con.unregister("listing_")
        self._rows: list[tuple[str, int, str, int, str, str | None, str | None]] = []
        self._roots: list[str] = []
        self._unreadable: list[str] = []

    def __enter__(self) -> "Planner":
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def add(self, entry: ImageRef | Failure, source: int) -> None:
        """One entry of a listing."""
        if isinstance(entry, ImageRef):
            self._rows.append(
                (entry.uri, entry.size, entry.version, source, entry.place, None, None)
            )
        else:
            # What can't even be listed has no version: its kind stands in, so that the same
            # fault is unchanged on the next run.
            version = f"unlisted-{entry.kind}"
            self._rows.append((entry.uri, 0, version, source, "", entry.kind, entry.reason))
        if len(self._rows) >= _BATCH:
            self._flush()

    def listed(self, root: str) -> None:
        """This root was listed to its end."""
        self._roots.append(root)

    def unreadable(self, prefix: str) -> None:
        """Nothing under this prefix may be judged vanished."""
        self._unreadable.append(prefix)

    def _flush(self) -> None:
        if self._rows:
            batch = pa.Table.from_arrays(
                [
                    pa.array(column, field.type)
                    for column, field in zip(zip(*self._rows, strict=True), _LISTING, strict=True)
                ],
                schema=_LISTING,
            )
            self._con.register("batch_", batch)
            self._con.execute("INSERT INTO listing SELECT * FROM batch_")
            self._con.unregister("batch_")
            self._rows.clear()

    def plan(self, *, full: bool = False, covers: Callable[[str], bool] = lambda uri: True) -> Plan:
        """Compares. `covers` says whether a complete listing would name a uri if it were there."""
        self._flush()
        self._mark_missing_vectors()
        self._con.execute(_COMPARE, {"full": full})
        self._mark_reborn()
        found = self._con.execute(
            "SELECT todo, count(*) FROM compared WHERE failure_kind IS NULL GROUP BY todo"
        ).fetchall()
        by = {str(todo): int(number) for todo, number in found}
        plan = Plan(
            seen=self._one("SELECT count(*) FROM compared"),
            new=by.get("new", 0),
            changed=by.get("changed", 0),
            again=by.get("again", 0),
            retries=self._one("SELECT count(*) FROM compared WHERE retry AND failure_kind IS NULL"),
            parts=self._parts,
        )
        plan.failures = self._new_failures()
        plan.unchanged = plan.seen - plan.work - len(plan.failures)
        plan.remaining = {root: self._remaining(root) for root in outermost(self._roots)}
        plan.vanished = list(self._vanished(covers))
        return plan

    def items(self, *, retries: bool = False) -> Iterator[Item]:
        """The images to read, ordered by uri; with `retries` only those that could not be read
        before. Call after `plan`.
        """
        cursor = self._con.cursor()
        cursor.execute(
            f"SELECT {_ITEM} FROM compared WHERE failure_kind IS NULL AND todo <> 'unchanged' "
            "AND (retry OR NOT ?) ORDER BY uri",
            [retries],
        )
        while rows := cursor.fetchmany(10_000):
            yield from (_item(row) for row in rows)

    def candidates(self, vanished: Iterable[Vanished]) -> Candidates:
        """What may have moved: to a new name, or onto that of a changed file (a swap, a chain).

        A new file of a vanished file's size may hold its content, whenever it was written. Onto the
        name of another image only a rename is looked for, which keeps the version that a listing
        tells: otherwise every file written in place would have to be read twice.
        """
        whole = [v for v in vanished if v.status == "ok" and v.content_id and v.image_id]
        self._con.register("vanished_", _left_table(whole))
        self._con.execute("CREATE OR REPLACE TEMP TABLE vanished AS SELECT * FROM vanished_")
        self._con.unregister("vanished_")
        self._con.execute(_MOVED)
        rows = self._con.execute(
            "SELECT uri, size, version, seq, status, image_id, content_id, part FROM displaced "
            "ORDER BY uri"
        ).fetchall()
        left = [*whole, *(_left(row) for row in rows)]
        held = self._held(left)
        arrived = self._con.execute(f"SELECT {_ITEM} FROM arrived ORDER BY uri").fetchall()
        return Candidates(
            [v for v in left if v.image_id not in held], [_item(row) for row in arrived]
        )

    def _held(self, left: list[Vanished]) -> set[str]:
        """Which image ids of these rows another live row carries: those moved there before."""
        self._con.register("left_", _left_table(left))
        rows = self._con.execute(
            "SELECT DISTINCT live.image_id FROM live SEMI JOIN left_ USING (image_id) "
            "WHERE live.status = 'ok' AND live.uri NOT IN (SELECT uri FROM left_)"
        ).fetchall()
        self._con.unregister("left_")
        return {str(_uuid_text(row[0])) for row in rows}

    def _one(self, sql: str, parameters: object = None) -> int:
        return int(self._con.execute(sql, parameters).fetchall()[0][0])

    def _mark_missing_vectors(self) -> None:
        """Table `unembedded`: contents of live rows without a vector in this run's space."""
        foreign = self._one(
            "SELECT count(*) FROM live WHERE status = 'ok' AND space IS DISTINCT FROM ?",
            [self._space],
        )
        known = known_contents(self._catalog, self._space) if foreign else KnownContents.none()
        self._con.register("known_", pa.table({"content_id": pa.array(known.ids, pa.binary(16))}))
        self._con.execute(
            "CREATE TABLE unembedded AS SELECT DISTINCT content_id FROM live "
            "ANTI JOIN known_ USING (content_id) WHERE status = 'ok' AND space IS DISTINCT FROM ?",
            [self._space],
        )
        self._con.unregister("known_")

    def _mark_reborn(self) -> None:
        """Gives `born` to items that get a new id at a uri whose first id lives on elsewhere.

        An id is made of uri and content, so a copy that comes back to the name from which its
        original moved away would get the original's.
        """
        wanted = "image_id IS NULL AND seq > 1 AND failure_kind IS NULL AND todo <> 'unchanged'"
        if not self._one(f"SELECT count(*) FROM compared WHERE {wanted}"):
            return
        history = scan(self._catalog, self._parts, schema.ROWS, ["uri", "image_id"])
        self._con.register("history_", history)
        self._con.execute(
            f"UPDATE compared SET born = seq WHERE {wanted} AND uri IN (SELECT history_.uri FROM "
            "history_ JOIN live USING (image_id) "
            "WHERE live.status <> 'deleted' AND live.uri <> history_.uri)"
        )
        self._con.unregister("history_")

    def _new_failures(self) -> list[tuple[Item, Failure]]:
        rows = self._con.execute(
            f"SELECT {_ITEM}, failure_kind, failure_reason FROM compared "
            "WHERE failure_kind IS NOT NULL AND todo <> 'unchanged' ORDER BY uri"
        ).fetchall()
        return [(_item(row[:-2]), Failure(row[0], "list", row[-2], row[-1])) for row in rows]

    def _remaining(self, root: str) -> int:
        inside = "starts_with(uri, ?)" if root.endswith("/") else "uri = ?"
        return self._one(
            "SELECT count(*) FROM live SEMI JOIN listing USING (uri) "
            f"WHERE status <> 'deleted' AND {inside}",
            [root],
        )

    def _vanished(self, covers: Callable[[str], bool]) -> Iterator[Vanished]:
        rows = self._con.execute(
            "SELECT uri, size, version, seq, status, image_id, content_id, part FROM live "
            "ANTI JOIN listing USING (uri) WHERE status <> 'deleted' "
            "AND list_bool_or([starts_with(uri, r) FOR r IN ?::VARCHAR[]]) "
            "AND NOT coalesce(list_bool_or([starts_with(uri, u) FOR u IN ?::VARCHAR[]]), false) "
            "ORDER BY uri",
            [self._roots, self._unreadable],
        ).fetchall()
        yield from (_left(row) for row in rows if covers(row[0]))


_ITEM = "uri, size, version, seq, source, image_id, content_id, born, place"

# A deleted row's image id is not carried: a file that comes back is seen for the first time again.
_COMPARE = """
CREATE TABLE compared AS
WITH seen AS (
  SELECT * FROM listing QUALIFY row_number() OVER (PARTITION BY uri ORDER BY source) = 1
)
SELECT
  s.uri, s.size, s.version, s.source, s.place, s.failure_kind, s.failure_reason,
  coalesce(v.seq, 0) + 1 AS seq,
  0 AS born,
  CASE WHEN v.status <> 'deleted' THEN v.image_id END AS image_id,
  CASE WHEN v.status = 'ok' THEN v.content_id END AS content_id,
  CASE
    WHEN v.uri IS NULL OR v.status = 'deleted' THEN 'new'
    WHEN v.version <> s.version THEN 'changed'
    WHEN $full THEN 'again'
    WHEN v.status = 'failed' AND v.failure_stage = 'read' THEN 'again'
    WHEN v.status = 'ok' AND v.content_id IN (SELECT content_id FROM unembedded) THEN 'again'
    ELSE 'unchanged'
  END AS todo,
  coalesce(
    v.version = s.version AND v.status = 'failed' AND v.failure_stage = 'read' AND NOT $full, false
  ) AS retry
FROM seen s LEFT JOIN live v USING (uri)
"""

_MOVED = """
CREATE OR REPLACE TEMP TABLE new_or_changed AS
  SELECT * FROM compared WHERE failure_kind IS NULL AND todo IN ('new', 'changed');
CREATE OR REPLACE TEMP TABLE displaced AS
  SELECT live.* FROM live JOIN new_or_changed USING (uri)
  WHERE live.status = 'ok' AND live.version IN (SELECT version FROM new_or_changed);
CREATE OR REPLACE TEMP TABLE arrived AS
  SELECT * FROM new_or_changed
  WHERE (todo = 'new' AND size IN (SELECT size FROM vanished))
    OR version IN (SELECT version FROM vanished)
    OR version IN (SELECT version FROM displaced)
    OR uri IN (SELECT uri FROM displaced);
"""


def _item(row: tuple[str, int, str, int, int, bytes | None, bytes | None, int, str]) -> Item:
    uri, size, version, seq, source, image, content, born, place = row
    return Item(uri, size, version, seq, source, _uuid_text(image), _hex(content), born, place)


def _left(row: tuple[str, int, str, int, str, bytes | None, bytes | None, str]) -> Vanished:
    uri, size, version, seq, status, image, content, part = row
    return Vanished(uri, size, version, seq, status, _uuid_text(image), _hex(content), part)


def _left_table(left: list[Vanished]) -> pa.Table:
    return pa.table(
        {
            "uri": pa.array([v.uri for v in left], pa.string()),
            "size": pa.array([v.size for v in left], pa.int64()),
            "version": pa.array([v.version for v in left], pa.string()),
            "image_id": pa.array([_uuid_bytes(v.image_id) for v in left], pa.binary(16)),
        }
    )


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value is not None else None


def _uuid_bytes(text: str | None) -> bytes | None:
    return uuid.UUID(text).bytes if text else None


def _uuid_text(value: bytes | None) -> str | None:
    return str(uuid.UUID(bytes=value)) if value is not None else None
