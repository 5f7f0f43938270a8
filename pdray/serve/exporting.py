"""Result sets as files: CSV, Parquet with embeddings, or a zip of the originals. It blocks."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pdray.serve import asking
from pdray.serve.engine import Engine
from pdray.serve.given import Images
from pdray.serve.originals import original
from pdray.serve.problems import Problem
from pdray.serve.shapes import Answer, ExportRequest, Hit

MOST_FILES = 1_000
MOST_BYTES = 4_000_000_000  # of originals in one zip
_POINTS = 500
_CHUNK = 1 << 18
_LEFT_OUT = "left-out.txt"
_LEADS = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets take for a formula
_COLUMNS: dict[str, pa.DataType] = {
    "rank": pa.int32(),
    "score": pa.float32(),
    "id": pa.string(),
    "uri": pa.string(),
    "name": pa.string(),
    "collection": pa.string(),
    "folder": pa.string(),
    "format": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "size": pa.int64(),
    "taken": pa.string(),
    "camera": pa.string(),
    "lens": pa.string(),
    "iso": pa.int64(),
    "f_number": pa.float64(),
    "exposure_seconds": pa.float64(),
    "focal_length_mm": pa.float64(),
    "latitude": pa.float64(),
    "longitude": pa.float64(),
    "altitude_m": pa.float64(),
    "title": pa.string(),
    "description": pa.string(),
    "caption": pa.string(),
    "caption_by": pa.string(),
    "tags": pa.list_(pa.string()),
    "rating": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class Export:
    """A file as it is sent."""

    name: str
    kind: str
    body: Iterator[bytes]


def export(engine: Engine, asked: ExportRequest, images: Images) -> Export:
    """The file of a result set. Raises Problem for what is asked wrongly, or is too much; what goes
    wrong after the first page breaks the file off.
    """
    pages = _pages(engine, asked, images)
    first = next(pages)
    name, all_pages = f"pdray-{first.collection}", chain([first.hits], (one.hits for one in pages))
    if asked.format == "csv":
        return Export(f"{name}.csv", "text/csv; charset=utf-8", _csv(all_pages))
    if asked.format == "parquet":
        kind = "application/vnd.apache.parquet"
        return Export(f"{name}.parquet", kind, _parquet(engine, first.collection, all_pages))
    hits = list(islice(chain.from_iterable(all_pages), MOST_FILES + 1))
    _check(hits)
    return Export(f"{name}.zip", "application/zip", _zip(engine, hits))


def _pages(engine: Engine, asked: ExportRequest, images: Images) -> Iterator[Answer]:
    """The answers that make up the file: one to what is ranked, as many as it takes to conditions
    alone, which have no end of their own.
    """
    left, cursor = asked.limit, asked.cursor
    while True:
        page = {"limit": min(left, asking.DEEPEST), "cursor": cursor}
        answer = asking.answer(engine, asked.model_copy(update=page), images)
        yield answer
        left, cursor = left - len(answer.hits), answer.next_cursor
        if not left or cursor is None:
            return


def _csv(pages: Iterable[list[Hit]]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for hit in chain.from_iterable(pages):
        writer.writerow([_cell(getattr(hit, name)) for name in _COLUMNS])
        if text.tell() > _CHUNK:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = "; ".join(value)
    if isinstance(value, str) and value.startswith(_LEADS):
        return f"'{value}"
    return value


def _parquet(engine: Engine, collection: str, pages: Iterable[list[Hit]]) -> Iterator[bytes]:
    """With each image's vector of unit length as the column "embedding"."""
    spec = engine.collections()[collection]
    index = engine.index(collection, spec)
    embedding = pa.field("embedding", pa.list_(pa.float32(), spec.dim))
    fields = [*(pa.field(name, kind) for name, kind in _COLUMNS.items()), embedding]
    about = {"pdray.model": spec.name, "pdray.space": spec.space}
    schema, sink = pa.schema(fields, about), _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for hits in pages:
            for start in range(0, len(hits), _POINTS):
                some = hits[start : start + _POINTS]
                stored = index.retrieve([hit.id for hit in some], with_vectors=True)
                writer.write_table(_table(some, {one.id: one.vector for one in stored}, schema))
                yield sink.taken()
    yield sink.taken()


def _table(hits: list[Hit], vectors: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    there = [hit for hit in hits if hit.id in vectors]  # what went meanwhile is left out
    columns = [
        pa.array([getattr(hit, name) for hit in there], kind) for name, kind in _COLUMNS.items()
    ]
    flat = np.concatenate([vectors[hit.id] for hit in there]) if there else np.zeros(0, np.float32)
    kind = schema.field("embedding").type
    columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), type=kind))
    return pa.table(columns, schema=schema)


def _check(hits: list[Hit]) -> None:
    size = sum(hit.size or 0 for hit in hits)
    if len(hits) > MOST_FILES or size > MOST_BYTES:
        raise Problem(
            413,
            "too-large",
            f"{_said(len(hits))} files of {size / 1e9:.1f} GB are too much for a zip: it holds "
            f"{MOST_FILES} and {MOST_BYTES / 1e9:.0f} GB: narrow the search, or set a limit.",
            "limit",
        )


def _said(files: int) -> str:
    """What is counted no further than it has to be."""
    return str(files) if files <= MOST_FILES else f"More than {MOST_FILES}"


class _Sink(io.RawIOBase):
    """Collects what is written until it is sent. It does not seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def tell(self) -> int:
        """How much was written in all."""
        return self._written

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._written += len(self._parts[-1])
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """What was written since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _zip(engine: Engine, hits: list[Hit]) -> Iterator[bytes]:
    """The originals as they are; what can't be reached is listed with the reason."""
    sink, left_out, used = _Sink(), [], {_LEFT_OUT}
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for hit in hits:
            try:
                found = original(engine.settings, engine.image(hit.id).payload)
                name = _unused(hit.name, used)
                if isinstance(found, bytes):
                    archive.writestr(name, found)
                    yield sink.taken()
                    continue
                with found.open("rb") as file, archive.open(name, "w", force_zip64=True) as entry:
                    while data := file.read(_CHUNK):
                        entry.write(data)
                        yield sink.taken()
            except (Problem, OSError) as error:
                left_out.append(f"{hit.uri}: {error}\n")
        if left_out:
            archive.writestr(_LEFT_OUT, "".join(left_out))
    yield sink.taken()


def _unused(name: str, used: set[str]) -> str:
    """A name that the archive hasn't yet, and that leads nowhere."""
    plain = name.replace("\\", "_").replace("/", "_").lstrip(".") or "image"
    stem, dot, ending = plain.rpartition(".")
    number, found = 1, plain
    while found in used:
        number += 1
        found = f"{stem}-{number}.{ending}" if dot else f"{plain}-{number}"
    used.add(found)
    return found
