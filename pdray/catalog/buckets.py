"""Tables too large for memory, cut by a hash of the uri: rows of one uri are always in one bucket.

Two such tables are compared bucket by bucket, so what a comparison holds depends on the size of a
bucket and not on that of the tables. Rows wait in one anonymous file, which is gone with its
process however that ends.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BUCKETS = 256
_RUN = 200_000  # rows in memory before they are sorted into buckets and written
_TOGETHER = 300_000  # rows of all tables that are compared at once


class Buckets:
    """Takes rows in, gives those of a range of buckets out."""

    def __init__(self, schema: pa.Schema, spill: Path | None, run: int = _RUN) -> None:
        self.schema = schema
        self._run = run
        self.counts = np.zeros(BUCKETS, np.int64)
        self._spill = spill
        self._waiting: list[pa.RecordBatch] = []
        self._codes: list[NDArray[np.uint8]] = []  # the bucket of each row that waits
        self._rows = 0  # of those that wait
        self._last = schema.empty_table()
        self._bounds = np.zeros(BUCKETS + 1, np.int64)  # where each bucket begins in `_last`
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self._reader: Any = None
        self._runs = 0

    def add(self, batch: pa.RecordBatch, uris: Sequence[str]) -> None:
        """More rows, before any is taken out; `uris` are those of the batch."""
        # Python's own hash, which is the same within a process: no other sees the buckets.
        codes = np.fromiter((hash(uri) % BUCKETS for uri in uris), np.uint8, len(uris))
        self._waiting.append(batch)
        self._codes.append(codes)
        self._rows += batch.num_rows
        if self._rows >= self._run:
            self._write()

    def seal(self) -> None:
        """No more rows come."""
        self._last, self._bounds = self._sorted()
        if self._writer is not None:
            self._writer.close()
            self._reader = pa.ipc.open_file(pa.PythonFile(self._file, mode="r"))

    def rows(self, some: range) -> pa.Table:
        """The rows of consecutive buckets, in the order in which each bucket's came."""
        found = [
            self._reader.get_batch(run * BUCKETS + bucket)
            for bucket in some
            for run in range(self._runs)
        ]
        first, last = self._bounds[some.start], self._bounds[some.stop]
        found += self._last.slice(first, last - first).to_batches()
        return pa.Table.from_batches(found, self.schema)

    def close(self) -> None:
        """Lets the file go."""
        if self._file is not None:
            self._file.close()

    def _sorted(self) -> tuple[pa.Table, NDArray[np.int64]]:
        table = pa.Table.from_batches(self._waiting, self.schema).combine_chunks()
        codes = np.concatenate([np.zeros(0, np.uint8), *self._codes])
        self._waiting, self._codes, self._rows = [], [], 0
        counts = np.bincount(codes, minlength=BUCKETS)
        self.counts += counts
        order = np.argsort(codes, kind="stable")
        ordered = table.take(pa.array(order)).combine_chunks()
        return ordered, np.concatenate([[0], np.cumsum(counts)])

    def _write(self) -> None:
        table, bounds = self._sorted()
        if self._writer is None:
            if self._spill is not None:
                self._spill.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._spill)  # noqa: SIM115 (see close)
            options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
            self._writer = pa.ipc.new_file(self._file, self.schema, options=options)
        for bucket in range(BUCKETS):
            first, last = bounds[bucket], bounds[bucket + 1]
            piece = table.slice(first, last - first).to_batches()
            self._writer.write_batch(piece[0] if piece else self._empty())
        self._runs += 1

    def _empty(self) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(
            [pa.array([], field.type) for field in self.schema], schema=self.schema
        )


def together(*tables: Buckets) -> Iterator[range]:
    """Ranges of buckets that cover all, each with as many as can be compared at once."""
    counts = np.sum([table.counts for table in tables], axis=0)
    first, held = 0, 0
    for bucket in range(BUCKETS):
        if bucket > first and held + counts[bucket] > _TOGETHER:
            yield range(first, bucket)
            first, held = bucket, 0
        held += int(counts[bucket])
    yield range(first, BUCKETS)
