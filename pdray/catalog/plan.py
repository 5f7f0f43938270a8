"""What a run has to do: the set difference of a listing and the catalog.

The listing streams into DuckDB in batches, so the driver holds neither it nor the catalog in Python
objects. Vanished is judged only where the listing was complete, and a mass disappearance stops
deletion until someone allows it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item
from pdray.catalog.view import KnownContents, connect, known_contents, load_live
from pdray.records import Failure, ImageRef

_BATCH = 50_000
_LISTING = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("source", pa.int32()),
        pa.field("failure_kind", pa.string()),
        pa.field("failure_reason", pa.string()),
    ]
)
# A fifth, and more than this many, vanishing at once is taken for an accident.
_MANY = 100
_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Vanished:
    """A live row whose image a complete listing no longer names."""

    uri: str
    size: int
    version: str
    seq: int
    status: str
    image_id: str | None
    content_id: str | None
    part: str


@dataclass(slots=True)
class Plan:
    """The outcome: counts, what to read (streamed), what to note as failed, what has gone."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    again: int = 0  # unchanged, but read again: --full, an earlier read failure, or another model
    unchanged: int = 0
    vanished: list[Vanished] = field(default_factory=list)
    failures: list[tuple[Item, Failure]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)  # the row parts that the plan was made from
    known: int = 0  # live rows under the listed roots before this run

    @property
    def work(self) -> int:
        """How many images have to be read."""
        return self.new + self.changed + self.again

    def suspicious(self) -> str | None:
        """Why deletion should wait for someone's word; None where it need not."""
        gone = len(self.vanished)
        if gone and gone == self.known:
            return f"all {gone} images that were indexed from here have vanished"
        if gone > _MANY and gone > _SHARE * self.known:
            return f"{gone} of {self.known} images have vanished at once"
        return None


class Planner:
    """Takes a listing in, gives a Plan and the items of work out. Close it after use."""

    def __init__(self, catalog: Catalog, collection: str, space: str, spill: Path | None) -> None:
        self._con = connect(spill)
        self._catalog, self._space = catalog, space
        self._parts = load_live(self._con, catalog, collection)
        self._con.register("listing_", _LISTING.empty_table())
        self._con.execute("CREATE TABLE listing AS SELECT * FROM listing_")
        self._con.unregister("listing_")
        self._rows: list[tuple[str, int, str, int, str | None, str | None]] = []
        self._roots: list[str] = []
        self._unreadable: list[str] = []

    def __enter__(self) -> "Planner":
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def add(self, entry: ImageRef | Failure, source: int) -> None:
        """One entry of a listing."""
        if isinstance(entry, ImageRef):
            self._rows.append((entry.uri, entry.size, entry.version, source, None, None))
        else:
            # What can't even be listed has no version: its kind stands in, so that the same
            # fault is unchanged on the next run.
            version = f"unlisted-{entry.kind}"
            self._rows.append((entry.uri, 0, version, source, entry.kind, entry.reason))
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
        found = self._con.execute(
            "SELECT todo, count(*) FROM compared WHERE failure_kind IS NULL GROUP BY todo"
        ).fetchall()
        by = {str(todo): int(number) for todo, number in found}
        plan = Plan(
            seen=self._one("SELECT count(*) FROM compared"),
            new=by.get("new", 0),
            changed=by.get("changed", 0),
            again=by.get("again", 0),
            parts=self._parts,
        )
        plan.failures = self._new_failures()
        plan.unchanged = plan.seen - plan.work - len(plan.failures)
        plan.known = self._known()
        plan.vanished = list(self._vanished(covers))
        return plan

    def items(self) -> Iterator[Item]:
        """The images to read, ordered by uri. Call after `plan`."""
        cursor = self._con.cursor()
        cursor.execute(
            "SELECT uri, size, version, seq, source, image_id, content_id FROM compared "
            "WHERE failure_kind IS NULL AND todo <> 'unchanged' ORDER BY uri"
        )
        while rows := cursor.fetchmany(10_000):
            yield from (_item(row) for row in rows)

    def new_of_sizes(self, sizes: Iterable[int]) -> list[Item]:
        """Items seen for the first time whose size is one of these: what may have moved here."""
        cursor = self._con.cursor()
        rows = cursor.execute(
            "SELECT uri, size, version, seq, source, image_id, content_id FROM compared "
            "WHERE failure_kind IS NULL AND todo = 'new' AND list_contains(?::BIGINT[], size) "
            "ORDER BY uri",
            [sorted(set(sizes))],
        ).fetchall()
        return [_item(row) for row in rows]

    def holders(self, vanished: Iterable[Vanished]) -> set[str]:
        """Which image ids of vanished rows another live row carries: those are not lost."""
        gone = list(vanished)
        wanted = pa.table(
            {
                "image_id": pa.array([_uuid_bytes(v.image_id) for v in gone], pa.binary(16)),
                "uri": pa.array([v.uri for v in gone], pa.string()),
            }
        )
        self._con.register("gone_", wanted)
        rows = self._con.execute(
            "SELECT DISTINCT live.image_id FROM live SEMI JOIN gone_ USING (image_id) "
            "WHERE live.status = 'ok' AND live.uri NOT IN (SELECT uri FROM gone_)"
        ).fetchall()
        self._con.unregister("gone_")
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

    def _new_failures(self) -> list[tuple[Item, Failure]]:
        rows = self._con.execute(
            "SELECT uri, size, version, seq, source, image_id, content_id, failure_kind, "
            "failure_reason FROM compared WHERE failure_kind IS NOT NULL AND todo <> 'unchanged' "
            "ORDER BY uri"
        ).fetchall()
        return [(_item(row[:7]), Failure(row[0], "list", row[7], row[8])) for row in rows]

    def _known(self) -> int:
        return sum(
            self._one(
                "SELECT count(*) FROM live WHERE status <> 'deleted' AND starts_with(uri, ?)",
                [root],
            )
            for root in _outermost(self._roots)
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
        for uri, size, version, seq, status, image, content, part in rows:
            if covers(uri):
                yield Vanished(
                    uri, size, version, seq, status, _uuid_text(image), _hex(content), part
                )


# A deleted row's image id is not carried: a file that comes back is seen for the first time again.
_COMPARE = """
CREATE TABLE compared AS
WITH seen AS (
  SELECT * FROM listing QUALIFY row_number() OVER (PARTITION BY uri ORDER BY source) = 1
)
SELECT
  s.uri, s.size, s.version, s.source, s.failure_kind, s.failure_reason,
  coalesce(v.seq, 0) + 1 AS seq,
  CASE WHEN v.status <> 'deleted' THEN v.image_id END AS image_id,
  CASE WHEN v.status = 'ok' THEN v.content_id END AS content_id,
  CASE
    WHEN v.uri IS NULL OR v.status = 'deleted' THEN 'new'
    WHEN v.version <> s.version THEN 'changed'
    WHEN $full THEN 'again'
    WHEN v.status = 'failed' AND v.failure_stage = 'read' THEN 'again'
    WHEN v.status = 'ok' AND v.content_id IN (SELECT content_id FROM unembedded) THEN 'again'
    ELSE 'unchanged'
  END AS todo
FROM seen s LEFT JOIN live v USING (uri)
"""


def _item(row: tuple[str, int, str, int, int, bytes | None, bytes | None]) -> Item:
    uri, size, version, seq, source, image, content = row
    return Item(uri, size, version, seq, source, _uuid_text(image), _hex(content))


def _outermost(roots: list[str]) -> list[str]:
    """The roots that lie in no other, so that nothing under two of them counts twice."""
    kept: list[str] = []
    for root in sorted(set(roots)):
        if not any(root.startswith(outer) for outer in kept):
            kept.append(root)
    return kept


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value is not None else None


def _uuid_bytes(text: str | None) -> bytes | None:
    return bytes.fromhex(text.replace("-", "")) if text else None


def _uuid_text(value: bytes | None) -> str | None:
    if value is None:
        return None
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
