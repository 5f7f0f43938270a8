"""The live rows of a collection: of each uri the row with the highest sequence number.

DuckDB does the set work (its anti-join of 1 M by 1 M rows takes 0.15 s where Arrow's takes 0.47 s)
and spills to disk past its memory limit; Arrow reads the parts, over any filesystem.
"""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pdray.catalog import schema
from pdray.catalog.catalog import Catalog
from pdray.records import ImageRecord, Status

_FILES = 512  # of one Arrow dataset, which keeps the footers of all that it has read: 75 KB each
_ROWS = 10_000  # fetched at a time
_KEYS = ["uri", "size", "version", "seq", "status", "image_id", "content_id"]


def connect(spill: Path | None = None, memory: str = "2GB") -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that spills into `spill`, or where temporary files go: its own choice is
    the working folder, which may be anybody's.
    """
    options = {"memory_limit": memory, "preserve_insertion_order": "false"}
    if spill:
        spill.mkdir(parents=True, exist_ok=True)
    options["temp_directory"] = str(spill or Path(tempfile.gettempdir()) / f"pdray-{os.getpid()}")
    con = duckdb.connect(":memory:", config=options)
    # Its own progress bar would write to the terminal that the report is for.
    con.execute("SET enable_progress_bar = false")
    return con


def load_live(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    collection: str,
    columns: Sequence[str],
    status: Status | None = None,
) -> list[str]:
    """Makes table `live` (columns and "part") in `con`; returns the parts that it read. With a
    status only the uris that ever had it: a few of many then cost the memory of the few.

    Two rows of one uri and sequence number come from two attempts at the same work and say the
    same: the part's name decides, so that every reader picks the same one.

    A part that a compaction removes between listing and reading is no error: it lists again, once.
    """
    parts = catalog.parts(collection)
    try:
        _load(con, catalog, parts, columns, status)
    except (OSError, duckdb.Error):
        # A compaction may have merged them since. What is listed now stays until the next one.
        if set(parts) <= set(catalog.parts(collection)):
            raise
        parts = catalog.settled_parts(collection)
        _load(con, catalog, parts, columns, status)
    return parts


def _load(
    con: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    parts: Sequence[str],
    columns: Sequence[str],
    status: Status | None,
) -> None:
    names, only = ", ".join(columns), ""
    if status:
        only = "SEMI JOIN ever_ USING (uri)"
        ever = _ever(catalog, parts, status)
        con.register("ever_", ever)
        # DuckDB stops reading early where nothing can match, which a reader's threads don't survive
        # at the end of the process.
        parts = parts if len(ever) else []
    if not parts:
        empty = pa.schema([schema.ROWS.field(name) for name in columns]).empty_table()
        con.register("rows_", empty)
        con.execute(
            f"CREATE OR REPLACE TABLE live AS SELECT {names}, NULL::VARCHAR AS part FROM rows_"
        )
    else:
        reader = scan(catalog, parts, schema.ROWS, columns)
        con.register("rows_", reader)
        con.execute(
            f"CREATE OR REPLACE TABLE live AS SELECT {names}, part FROM rows_ {only} "
            "QUALIFY row_number() OVER (PARTITION BY uri ORDER BY seq DESC, part DESC) = 1"
        )
    con.unregister("rows_")


def _ever(catalog: Catalog, parts: Sequence[str], status: Status) -> pa.Table:
    """The uris that have a row of this status, live or superseded."""
    found = [pa.array([], pa.string())]
    if parts:
        for _, batch in numbered(catalog, parts, schema.ROWS, ["uri", "status"]):
            found.append(batch.filter(pc.equal(batch["status"], status))["uri"])
    return pa.table({"uri": pa.chunked_array(found)})


def scan(
    catalog: Catalog, parts: Sequence[str], columns_of: pa.Schema, columns: Sequence[str]
) -> pa.RecordBatchReader:
    """Streams these columns of Parquet files, and "part", the file's path in the workspace."""
    fields = [columns_of.field(name) for name in columns]
    target = pa.schema([*fields, pa.field("part", pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        for number, batch in numbered(catalog, parts, columns_of, columns):
            part = pa.repeat(parts[number], batch.num_rows)
            yield pa.record_batch([*batch.columns, part], schema=target)

    return pa.RecordBatchReader.from_batches(target, batches())


def numbered(
    catalog: Catalog, parts: Sequence[str], columns_of: pa.Schema, columns: Sequence[str]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Streams these columns of Parquet files, each batch with its file's position in `parts`."""
    import pyarrow.dataset as ds  # imports pandas: half a second and 40 MB where nothing is read

    filesystem, prefix = catalog.store.filesystem()
    # Some file systems show paths with a slash at the front, some without.
    cut = len(prefix.lstrip("/"))
    for start in range(0, len(parts), _FILES):
        some = parts[start : start + _FILES]
        dataset = ds.dataset(
            [prefix + part for part in some],
            schema=columns_of.remove_metadata(),
            format="parquet",
            filesystem=filesystem,
        )
        place = {part: start + number for number, part in enumerate(some)}
        # By default Arrow reads ahead 16 batches of 131,072 rows in 4 files: a gigabyte of large
        # parts.
        scanner = dataset.scanner(columns=list(columns), batch_size=1 << 15, batch_readahead=4)
        for tagged in scanner.scan_batches():
            yield place[tagged.fragment.path.lstrip("/")[cut:]], tagged.record_batch


def live_records(
    catalog: Catalog, collection: str, status: Status | None = None
) -> list[ImageRecord]:
    """The live rows as records, sorted by uri; those of one status where it is given."""
    with connect() as con:
        load_live(con, catalog, collection, schema.ROWS.names, status)
        clause = f"status = '{status}'" if status else "status <> 'deleted'"
        found = con.sql(
            f"SELECT * EXCLUDE (part) FROM live WHERE {clause} ORDER BY uri"
        ).to_arrow_table()
    return list(schema.records(found.cast(schema.ROWS)))


def live_versions(
    catalog: Catalog, collection: str
) -> Iterator[tuple[str, str, str, int, str | None]]:
    """(image id, uri, version, seq, content id) of the live whole rows, in order of uri."""
    with connect() as con:
        load_live(con, catalog, collection, _KEYS)
        con.execute(
            "SELECT image_id, uri, version, seq, content_id FROM live WHERE status = 'ok' "
            "ORDER BY uri"
        )
        for image_id, uri, version, seq, content in _stream(con):
            text = content.hex() if content is not None else None
            yield str(uuid.UUID(bytes=image_id)), uri, version, seq, text


def live_contents(
    catalog: Catalog, collection: str, spill: Path
) -> Iterator[list[tuple[bytes, bytes, str, str, int]]]:
    """(content id, image id, uri, version, seq) of one live whole row of each content, in order of
    uri, some thousand at a time.
    """
    with connect(spill) as con:
        load_live(con, catalog, collection, _KEYS)
        con.execute(
            "SELECT content_id, image_id, uri, version, seq FROM live "
            "WHERE status = 'ok' AND content_id IS NOT NULL "
            "QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY uri) = 1 ORDER BY uri"
        )
        while rows := con.fetchmany(_ROWS):
            yield rows


def whole(con: duckdb.DuckDBPyConnection) -> int:
    """How many rows of table `live` are whole."""
    return int(con.execute("SELECT count(*) FROM live WHERE status = 'ok'").fetchall()[0][0])


def live_by_part(
    con: duckdb.DuckDBPyConnection, parts: Sequence[str]
) -> Iterator[tuple[str, set[tuple[str, int]]]]:
    """(part, {(uri, seq)} of its live whole rows) for each of these sorted parts, in one pass.

    Other queries may use `con` meanwhile.
    """
    con.register("parts_", pa.table({"part": pa.array(parts, pa.string())}))
    con.execute("CREATE OR REPLACE TABLE wanted_parts AS SELECT * FROM parts_")
    con.unregister("parts_")
    cursor = con.cursor().execute(
        "SELECT part, uri, seq FROM live SEMI JOIN wanted_parts USING (part) "
        "WHERE status = 'ok' ORDER BY part"
    )
    groups = groupby(_stream(cursor), key=itemgetter(0))
    group = next(groups, None)
    for part in parts:
        rows: set[tuple[str, int]] = set()
        if group is not None and group[0] == part:
            rows = {(uri, seq) for _, uri, seq in group[1]}
            group = next(groups, None)
        yield part, rows


def holding(con: duckdb.DuckDBPyConnection, contents: Iterable[str]) -> list[tuple[str, str, int]]:
    """(part, uri, seq) of the live whole rows with these contents, in order of part. Table `live`
    must have the content ids.
    """
    ids = [bytes.fromhex(content) for content in contents]
    con.register("ids_", pa.table({"content_id": pa.array(ids, pa.binary(16))}))
    rows: list[tuple[str, str, int]] = con.execute(
        "SELECT part, uri, seq FROM live SEMI JOIN ids_ USING (content_id) "
        "WHERE status = 'ok' ORDER BY part"
    ).fetchall()
    con.unregister("ids_")
    return rows


def carried(con: duckdb.DuckDBPyConnection, image_ids: Iterable[str]) -> set[str]:
    """Which of these ids a live whole row carries."""
    ids = [uuid.UUID(image_id).bytes for image_id in image_ids]
    con.register("ids_", pa.table({"image_id": pa.array(ids, pa.binary(16))}))
    rows = con.execute(
        "SELECT DISTINCT image_id FROM live SEMI JOIN ids_ USING (image_id) WHERE status = 'ok'"
    ).fetchall()
    con.unregister("ids_")
    return {str(uuid.UUID(bytes=row[0])) for row in rows}


def _stream(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(_ROWS):
        yield from rows


class KnownContents:
    """Which contents have a vector in a space, and in which part: sorted ids for binary search.

    Two flat arrays, 20 bytes a content: Ray shares them between the processes of a node uncopied.
    """

    def __init__(self, ids: NDArray[np.bytes_], part: NDArray[np.int32], parts: list[str]) -> None:
        self.ids = ids  # (n,) of dtype S16, sorted, distinct
        self.part = part  # (n,) indices into parts
        self.parts = parts

    @classmethod
    def none(cls) -> "KnownContents":
        """A space without vectors."""
        return cls(np.zeros(0, "S16"), np.zeros(0, np.int32), [])

    @property
    def nbytes(self) -> int:
        """Bytes of the two arrays."""
        return self.ids.nbytes + self.part.nbytes

    def find(self, content_id: str) -> str | None:
        """The embedding part that holds a content; None for an unknown one."""
        wanted = np.frombuffer(bytes.fromhex(content_id), "S16")
        at = int(np.searchsorted(self.ids, wanted)[0])
        if at < len(self.ids) and self.ids[at] == wanted[0]:
            return self.parts[int(self.part[at])]
        return None

    def hold(self, ids: NDArray[np.bytes_]) -> NDArray[np.bool_]:
        """Which of these ids (dtype S16) are known."""
        if not len(self.ids):
            return np.zeros(len(ids), bool)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.asarray(self.ids[at] == ids)

    def __len__(self) -> int:
        return len(self.ids)


def known_contents(catalog: Catalog, space: str) -> KnownContents:
    """All contents with a vector in a space, whichever collection needed them first."""
    return known_in(catalog, lambda: catalog.embedding_parts(space))


def known_in(catalog: Catalog, listed: Callable[[], list[str]]) -> KnownContents:
    """All contents of the parts that a listing names: files with a column content_id."""
    parts = listed()
    try:
        return _known(catalog, parts)
    except OSError:
        again = listed()
        if set(parts) <= set(again):
            raise
        return _known(catalog, again)  # a compaction merged them since: see load_live


def _known(catalog: Catalog, parts: list[str]) -> KnownContents:
    if not parts:
        return KnownContents.none()
    columns = pa.schema([pa.field("content_id", pa.binary(16))])
    # Arrow's strings would take more memory than all the rest: numpy's from the first batch on.
    found, numbers = [np.zeros(0, "S16")], [np.zeros(0, np.int32)]
    for number, batch in numbered(catalog, parts, columns, ["content_id"]):
        column = batch.column(0)
        raw = np.frombuffer(column.buffers()[1], "S16", len(column), column.offset * 16)
        found.append(raw.copy())
        numbers.append(np.full(len(raw), number, np.int32))
    ids, part = np.concatenate(found), np.concatenate(numbers)
    found.clear()
    numbers.clear()
    # The first part by name wins wherever two hold the same content: every reader agrees.
    order = _order(ids, part)
    ids, part = ids[order], part[order]
    first = np.ones(len(ids), bool)
    first[1:] = ids[1:] != ids[:-1]
    if not first.all():
        ids, part = ids[first], part[first]
    return KnownContents(ids, part, parts)


def _order(ids: NDArray[np.bytes_], part: NDArray[np.int32]) -> NDArray[np.int64]:
    """Sorts by id, then by part, ten times as fast as comparing ids as strings.

    By the first half of each id as a number; the few that share it are then put right.
    """
    halves = ids.view(">u8").reshape(-1, 2)
    head = halves[:, 0].astype(np.uint64)
    order = np.argsort(head)
    head = head[order]
    same = np.zeros(len(ids), bool)
    same[1:] = head[1:] == head[:-1]
    same[:-1] |= same[1:]
    where = np.flatnonzero(same)
    chosen = order[where]
    order[where] = chosen[np.lexsort((part[chosen], halves[chosen, 1], head[where]))]
    return order
