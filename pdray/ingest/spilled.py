"""Items on disk: as many as a collection has, in the memory of a few thousand."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import IO

import pyarrow as pa

from pdray.catalog.units import Item

_ROWS = 8192
_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("source", pa.int32(), nullable=False),
        pa.field("image_id", pa.string()),
        pa.field("content_id", pa.string()),
        pa.field("born", pa.int64(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
    ]
)
_NAMES = tuple(field.name for field in fields(Item))


class Spilled:
    """Items in the order in which they came; read as often as wanted, one reader at a time.

    The file has no name, so it goes with the process whatever becomes of that.
    """

    def __init__(self, file: IO[bytes], count: int) -> None:
        self._file, self._count = file, count

    @classmethod
    def of(cls, items: Iterable[Item], folder: Path) -> "Spilled":
        """All of these, in a file in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # as long as self
        coming, count = iter(items), 0
        with pa.ipc.new_stream(file, _SCHEMA) as writer:
            while some := list(islice(coming, _ROWS)):
                columns = [[getattr(item, name) for item in some] for name in _NAMES]
                arrays = [pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=_SCHEMA))
                count += len(some)
        return cls(file, count)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Item]:
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    yield Item(*row)
