"""What all collections share, tidied up: embedding parts merged, files that no row uses removed.

Only behind the gate (`lease.alone`), so no run is at work: nobody is about to name a file that
goes. What a killed run's workers could still be writing is younger than a grace time and stays.
Vectors and captions stay by content: as long as any live row of any collection has it, in every
space that ever embedded it. A row part may go on naming an embedding part that was merged away; its
vectors are then found by content.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from pdray.catalog.catalog import Catalog
from pdray.catalog.merging import ROWS_A_PART, groups
from pdray.catalog.store import TEMPORARY, Entry
from pdray.catalog.view import connect, numbered

# A killed run's workers end with it, within seconds; a lease without heartbeat counts as gone after
# 60 s. The commit of a worker that was suspended for longer finds its files gone and fails.
GRACE_SECONDS = 60.0
# Of parts by content: each folder below one is a family, of one model.
CONTENT_FOLDERS = ("embeddings", "captions")
_FOLDERS = ("collections", *CONTENT_FOLDERS, "thumbs", "runs", "leases")
_LOCK = f"{TEMPORARY}lock"
_CONTENTS = pa.schema([pa.field("content_id", pa.binary(16))])
_PLACED = pa.schema([*_CONTENTS, pa.field("part", pa.int32())])


@dataclass(slots=True)
class Sweep:
    """What a sweep is about to do. `young` files it does not judge: a process that was killed just
    now may be writing its last.
    """

    groups: list[tuple[str, list[str]]] = field(default_factory=list)  # folder, parts in it
    embeddings: list[Entry] = field(default_factory=list)  # of these no content is used
    packs: list[Entry] = field(default_factory=list)  # of these no thumbnail is shown
    temporary: list[Entry] = field(default_factory=list)
    young: int = 0

    @property
    def removed(self) -> list[Entry]:
        """Files that go without another in their place."""
        return [*self.embeddings, *self.packs, *self.temporary]


class Sweeper:
    """Plans on creation, from what the live rows of all collections use. Close it after use.

    `forgotten` are contents whose vectors go, if unused, however large the part that holds them.
    """

    def __init__(
        self,
        catalog: Catalog,
        used: Iterable[pa.RecordBatchReader],
        spill: Path | None = None,
        *,
        grace_seconds: float = GRACE_SECONDS,
        forgotten: Collection[bytes] = (),
        vectors_a_part: int = ROWS_A_PART,
    ) -> None:
        self._catalog, self._most = catalog, vectors_a_part
        self._before = time.time() - grace_seconds
        self._con = connect(spill)
        self.sweep = Sweep()
        contents = pa.table({"content_id": pa.array(sorted(forgotten), pa.binary(16))})
        self._con.register("forgotten_", contents)
        self._con.execute("CREATE TABLE forgotten AS SELECT content_id FROM forgotten_")
        self._con.unregister("forgotten_")
        # Files first, rows afterwards: what comes between is not among the files.
        found = [entry for folder in _FOLDERS for entry in catalog.store.walk(folder)]
        self._load(used)
        self.sweep.temporary = [
            e for e in found if e.temporary and not e.path.endswith(_LOCK) and self._old(e)
        ]
        whole = [entry for entry in found if not entry.temporary]
        self.sweep.packs = self._unused_packs(whole)
        for folder in CONTENT_FOLDERS:
            for family in catalog.store.list(folder):
                self._judge(family, [e for e in whole if e.path.startswith(f"{family}/")])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._con.close()

    def _old(self, entry: Entry) -> bool:
        old = entry.modified is not None and entry.modified <= self._before
        self.sweep.young += not old
        return old

    def _load(self, used: Iterable[pa.RecordBatchReader]) -> None:
        self._con.execute("CREATE TABLE rows (content_id BLOB, pack VARCHAR)")
        for reader in used:
            self._con.register("used_", reader)
            self._con.execute("INSERT INTO rows SELECT content_id, thumb_pack FROM used_")
            self._con.unregister("used_")
        self._con.execute(
            "CREATE TABLE used AS SELECT DISTINCT content_id FROM rows WHERE content_id IS NOT NULL"
        )

    def _unused_packs(self, files: Sequence[Entry]) -> list[Entry]:
        shown = {pack for (pack,) in self._con.execute("SELECT DISTINCT pack FROM rows").fetchall()}
        packs = [e for e in files if e.path.startswith("thumbs/") and e.path not in shown]
        return [entry for entry in packs if self._old(entry)]

    def _judge(self, family: str, files: Sequence[Entry]) -> None:
        """Of two parts with the same content that with more of use keeps it, then that with less
        beside it: it is likely merged already.
        """
        by_path = {entry.path: entry for entry in files if self._old(entry)}
        parts = sorted(by_path)
        if not parts:
            return
        self._con.register("vectors_", self._contents(parts))
        self._con.execute("CREATE OR REPLACE TABLE vectors AS SELECT * FROM vectors_")
        self._con.unregister("vectors_")
        self._con.execute(_HELD)
        counts = self._con.execute("SELECT part, n, k FROM counts").fetchall()
        sizes = dict.fromkeys(parts, (0, 0))
        sizes |= {parts[at]: (rows, kept) for at, rows, kept in counts}
        self._con.execute(
            "CREATE TABLE IF NOT EXISTS kept (path VARCHAR, content_id BLOB); "
            "INSERT INTO kept SELECT p.path, h.content_id FROM held h JOIN "
            "(SELECT unnest(?) AS path, unnest(range(?)) AS part) p USING (part)",
            [parts, len(parts)],
        )
        self.sweep.embeddings += [by_path[part] for part, (_, kept) in sizes.items() if not kept]
        anew = self._con.execute(
            "SELECT DISTINCT part FROM vectors SEMI JOIN forgotten USING (content_id)"
        ).fetchall()
        written = {parts[at] for (at,) in anew}
        self.sweep.groups += [(family, group) for group in groups(sizes, self._most, written)]

    def _contents(self, parts: Sequence[str]) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for at, batch in numbered(self._catalog, parts, _CONTENTS, ["content_id"]):
                place = pa.repeat(pa.scalar(at, pa.int32()), batch.num_rows)
                yield pa.record_batch([*batch.columns, place], schema=_PLACED)

        return pa.RecordBatchReader.from_batches(_PLACED, batches())

    def write(self) -> dict[str, list[str]]:
        """Writes the merged embedding parts; returns which stand for those of old."""
        moved: dict[str, list[str]] = {entry.path: [] for entry in self.sweep.embeddings}
        for family, group in self.sweep.groups:
            path = self._catalog.write_merged_contents(family, self._merged(group))
            moved |= {old: [path] for old in group}
        return moved

    def _merged(self, group: Sequence[str]) -> pa.Table:
        tables = []
        for path in group:
            table = self._catalog.embedding_table(path)
            kept = self._con.execute("SELECT content_id FROM kept WHERE path = ?", [path])
            contents = kept.to_arrow_table()["content_id"].cast(_CONTENTS.field(0).type)
            tables.append(table.filter(pc.is_in(table["content_id"], contents.combine_chunks())))
        merged = pa.concat_tables([t.replace_schema_metadata() for t in tables]).sort_by(
            "content_id"
        )
        return merged.replace_schema_metadata(table.schema.metadata)

    def delete(self) -> None:
        """Removes what is merged elsewhere and what nothing uses. Call it when all is written."""
        for _, group in self.sweep.groups:
            for path in group:
                self._catalog.store.delete(path)
        for entry in self.sweep.removed:
            self._catalog.store.delete(entry.path)


_HELD = """
CREATE OR REPLACE TABLE sizes AS
  SELECT part, count(*) AS n, count(u.content_id) AS useful
  FROM vectors LEFT JOIN used u USING (content_id) GROUP BY part;
CREATE OR REPLACE TABLE held AS
  SELECT content_id, part FROM vectors SEMI JOIN used USING (content_id) JOIN sizes USING (part)
  QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY useful DESC, n, part) = 1;
CREATE OR REPLACE TABLE counts AS
  SELECT part, n, coalesce(k, 0) AS k FROM sizes LEFT JOIN
    (SELECT part, count(*) AS k FROM held GROUP BY part) USING (part);
"""
