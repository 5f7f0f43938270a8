"""Compares some of a listing with some of the catalog's rows, again and again; keeps what differs.

Tables of the connection, made by `begin` and filled by `add`:

    compared    what was listed and is not as it was
    gone        live rows under the listed roots that were not listed
    carried     the image ids of live rows
"""

from collections import Counter
from collections.abc import Callable

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

_FEW = 20


class Comparison:
    """One comparison: `begin`, `add` for each set of uris, `end`. No uri may be in two sets."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.seen = 0
        self.remaining: Counter[str] = Counter()  # by root: live rows still listed
        self._words: dict[str, str] = {}

    def begin(
        self, roots: list[str], unreadable: list[str], full: bool, failed: bool, floor: int = 0
    ) -> None:
        """`roots` were listed in full but for what is under `unreadable`; neither overlap.

        `full` reads all again, `failed` what could not be indexed. What is seen for the first time
        gets the sequence number after `floor`.
        """
        self.remaining.update(dict.fromkeys(roots, 0))
        self._words = {
            "full": "true" if full else "false",
            "failed": "true" if failed else "false",
            "floor": str(floor),
            "in_roots": _inside("roots", len(roots)),
            "in_unreadable": _inside("unreadable", len(unreadable)),
        }
        self.con.execute(_TABLES)
        for table, prefixes in (("roots", roots), ("unreadable", unreadable)):
            self.con.register("prefixes_", pa.table({"root": pa.array(prefixes, pa.string())}))
            self.con.execute(f"CREATE TABLE {table} AS SELECT * FROM prefixes_")
            self.con.unregister("prefixes_")

    def add(self, listing: pa.Table, rows: pa.Table) -> None:
        """Compares these. `rows` are all rows of their uris, with `lacking` true where the row's
        content has no vector in the run's space.

        Two rows of one uri and sequence number come from two attempts at the same work and say the
        same: the part's name decides, so that every reader picks the same one.
        """
        self.con.register("listing_", listing)
        self.con.register("rows_", _with_uuids(rows))
        words = {
            "first": str(self._one("SELECT count(*) FROM compared")),
            "seen": self._distinct("seen", "listing_", listing, "source"),
            "live": self._distinct("live", "rows_", rows, "seq DESC, part DESC"),
            **self._words,
        }
        self.con.execute(_COMPARE.format_map(words))
        self.con.execute(_REST.format_map(words))
        for root, number in self.con.execute(_REMAINING.format_map(words)).fetchall():
            self.remaining[root] += number
        self.seen += self._one(f"SELECT count(*) FROM {words['seen']}")
        self.con.unregister("listing_")
        self.con.unregister("rows_")

    def _one(self, sql: str) -> int:
        return int(self.con.execute(sql).fetchall()[0][0])

    def _distinct(self, table: str, name: str, rows: pa.Table, order: str) -> str:
        """Where to find of each uri the first row in this order. Sorting costs more than all the
        rest, and mostly no uri has two rows.
        """
        if pc.count_distinct(rows["uri"]).as_py() == len(rows):
            return name
        self.con.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {name} "
            f"QUALIFY row_number() OVER (PARTITION BY uri ORDER BY {order}) = 1"
        )
        return table

    def end(self, covers: Callable[[str], bool]) -> None:
        """Takes out of `gone` what a listing would not name even if it were there, and gives `born`
        to items that get a new id at a uri whose first id lives on elsewhere.

        An id is made of uri and content, so a copy that comes back to the name from which its
        original moved away would get the original's.
        """
        self._keep(covers)
        self.con.execute(
            "UPDATE compared SET born = seq WHERE uri IN "
            "(SELECT uri FROM former SEMI JOIN carried USING (image_id))"
        )
        for table in ("seen", "live", "missing", "former"):
            self.con.execute(f"DROP TABLE IF EXISTS {table}")

    def _keep(self, covers: Callable[[str], bool]) -> None:
        cursor = self.con.cursor()
        reader = cursor.execute("SELECT uri FROM gone").to_arrow_reader(50_000)
        self.con.execute("CREATE TABLE uncovered (uri VARCHAR)")
        for batch in reader:
            uris = [uri for uri in batch.column(0).to_pylist() if not covers(uri)]
            if uris:
                self.con.register("uncovered_", pa.table({"uri": pa.array(uris, pa.string())}))
                self.con.execute("INSERT INTO uncovered SELECT * FROM uncovered_")
                self.con.unregister("uncovered_")
        self.con.execute("DELETE FROM gone WHERE uri IN (SELECT uri FROM uncovered)")
        self.con.execute("DROP TABLE uncovered")

    def counts(self) -> dict[str, int]:
        """How many images are to be read, by why: "new", "changed", "again"."""
        found = self.con.execute(
            "SELECT todo, count(*) FROM compared WHERE failure_kind IS NULL GROUP BY todo"
        ).fetchall()
        return {str(todo): int(number) for todo, number in found}


def _with_uuids(rows: pa.Table) -> pa.Table:
    """Ids as DuckDB's 128-bit numbers: a third of the memory of its blobs."""
    for name in ("image_id", "content_id"):
        ids = pa.ExtensionArray.from_storage(pa.uuid(), rows[name].combine_chunks())
        rows = rows.set_column(rows.schema.get_field_index(name), name, ids)
    return rows


_TABLES = """
CREATE TABLE compared (
  uri VARCHAR, size BIGINT, version VARCHAR, source INTEGER, place VARCHAR, failure_kind VARCHAR,
  failure_reason VARCHAR, seq INTEGER, born INTEGER, image_id UUID, content_id UUID, todo VARCHAR,
  retry BOOLEAN, deadly BOOLEAN, was_size BIGINT, was_version VARCHAR, was_status VARCHAR,
  part INTEGER
);
CREATE TABLE gone (
  uri VARCHAR, size BIGINT, version VARCHAR, seq INTEGER, status VARCHAR, image_id UUID,
  content_id UUID, part INTEGER
);
CREATE TABLE carried (image_id UUID, ok BOOLEAN);
CREATE TABLE former (uri VARCHAR, image_id UUID);
"""

# A deleted row's image id is not carried: a file that comes back is seen for the first time again.
_COMPARE = """
INSERT INTO compared
SELECT * FROM (
  SELECT
    s.uri, s.size, s.version, s.source, s.place, s.failure_kind, s.failure_reason,
    coalesce(v.seq, {floor}) + 1 AS seq,
    0 AS born,
    CASE WHEN v.status <> 'deleted' THEN v.image_id END AS image_id,
    CASE WHEN v.status = 'ok' THEN v.content_id END AS content_id,
    CASE
      WHEN v.uri IS NULL OR v.status = 'deleted' THEN 'new'
      WHEN v.version <> s.version THEN 'changed'
      WHEN {full} THEN 'again'
      WHEN v.unread OR v.lacking OR ({failed} AND v.status = 'failed') THEN 'again'
      ELSE 'unchanged'
    END AS todo,
    coalesce(v.version = s.version AND v.unread AND NOT {full}, false) AS retry,
    coalesce(v.version = s.version AND v.deadly, false) AS deadly,
    v.size AS was_size, v.version AS was_version, v.status AS was_status, v.part
  FROM {seen} s LEFT JOIN {live} v USING (uri)
) WHERE todo <> 'unchanged'
"""

# `former` are the ids that rows at these uris had, where the item is to get one of its own.
_REST = """
INSERT INTO carried
  SELECT image_id, status = 'ok' FROM {live} WHERE status <> 'deleted' AND image_id IS NOT NULL;
INSERT INTO former
  SELECT DISTINCT rows_.uri, rows_.image_id FROM rows_ JOIN compared c USING (uri)
  WHERE c.rowid >= {first} AND c.failure_kind IS NULL AND c.image_id IS NULL AND c.seq > 1
  AND rows_.image_id IS NOT NULL;
CREATE OR REPLACE TABLE missing AS
  SELECT k.*, r.root FROM (
    SELECT uri, size, version, seq, status, image_id, content_id, part
    FROM {live} ANTI JOIN {seen} USING (uri) WHERE status <> 'deleted'
  ) k {in_roots};
INSERT INTO gone
  SELECT * EXCLUDE (root) FROM missing
  ANTI JOIN (SELECT k.uri FROM missing k {in_unreadable}) USING (uri);
"""

_REMAINING = """
SELECT r.root, count(*) FROM (SELECT uri FROM {live} WHERE status <> 'deleted') k {in_roots}
GROUP BY r.root
UNION ALL SELECT root, -count(*) FROM missing GROUP BY root
"""


def _inside(table: str, prefixes: int) -> str:
    """Joins `k` with the prefix that its uri is under. One without a slash at its end is a file.

    Prefixes don't overlap, so the greatest that is no greater than a uri is the only one that the
    uri can be under: of many that one is found by sorting, few are tried one by one.
    """
    join = "ASOF JOIN" if prefixes > _FEW else "JOIN"
    on = "k.uri >= r.root" if prefixes > _FEW else "true"
    return (
        f"{join} {table} r ON {on} WHERE "
        "CASE WHEN suffix(r.root, '/') THEN starts_with(k.uri, r.root) ELSE k.uri = r.root END"
    )
