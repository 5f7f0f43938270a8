"""How records lie in Parquet: flat columns, ids as binary, vectors as fixed-size fp16 binary."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pdray.records import Failure, ImageRecord, Metadata, ModelSpec, Thumbnail

# Of the workspace. A newer one is refused in words, an older one is read as it is and raised by the
# first run that writes. 2 added the columns caption and extra.
FORMAT = 2
META = b"pdray"  # the key of our document in the Parquet schema's metadata

_METADATA = [
    pa.field("taken_at", pa.string()),
    pa.field("camera_make", pa.string()),
    pa.field("camera_model", pa.string()),
    pa.field("lens", pa.string()),
    pa.field("exposure_seconds", pa.float64()),
    pa.field("f_number", pa.float64()),
    pa.field("iso", pa.int32()),
    pa.field("focal_length_mm", pa.float64()),
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    pa.field("altitude_m", pa.float64()),
    pa.field("title", pa.string()),
    pa.field("description", pa.string()),
    pa.field("keywords", pa.list_(pa.string())),
    pa.field("rating", pa.int32()),
    pa.field("caption", pa.string()),
    pa.field("extra", pa.string()),
]
_PLAIN = ["uri", "size", "version", "seq", "status", "run_id", "width", "height", "format", "space"]

ROWS = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("seq", pa.int32(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("image_id", pa.binary(16)),
        pa.field("content_id", pa.binary(16)),
        pa.field("phash", pa.binary(8)),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("format", pa.string()),
        pa.field("space", pa.string()),
        *_METADATA,
        pa.field("thumb_pack", pa.string()),
        pa.field("thumb_offset", pa.int64()),
        pa.field("thumb_length", pa.int32()),
        pa.field("failure_stage", pa.string()),
        pa.field("failure_kind", pa.string()),
        pa.field("failure_reason", pa.string()),
    ]
)
assert [f.name for f in _METADATA] == [f.name for f in fields(Metadata)]


def rows_table(records: Iterable[ImageRecord], document: dict[str, Any]) -> pa.Table:
    """Records as a table of schema ROWS; `document` goes into its metadata as JSON."""
    table = pa.Table.from_pylist([_row(record) for record in records], schema=ROWS)
    return table.replace_schema_metadata({META: json.dumps(document, sort_keys=True).encode()})


def _row(record: ImageRecord) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    row["image_id"] = uuid.UUID(record.image_id).bytes if record.image_id else None
    row["content_id"] = bytes.fromhex(record.content_id) if record.content_id else None
    row["phash"] = bytes.fromhex(record.phash) if record.phash else None
    row.update({f.name: getattr(record.metadata, f.name) for f in _METADATA})
    if record.thumbnail:
        row["thumb_pack"] = record.thumbnail.pack
        row["thumb_offset"] = record.thumbnail.offset
        row["thumb_length"] = record.thumbnail.length
    if record.failure:
        row["failure_stage"] = record.failure.stage
        row["failure_kind"] = record.failure.kind
        row["failure_reason"] = record.failure.reason
    return row


def records(table: pa.Table) -> Iterator[ImageRecord]:
    """The inverse of `rows_table`; columns beyond ROWS are passed over, missing ones are null."""
    there, none = set(table.column_names), [None] * len(table)
    columns = [table[name].to_pylist() if name in there else none for name in ROWS.names]
    return map(_record, zip(*columns, strict=True))


_FIRST = ROWS.names.index(_METADATA[0].name)  # of the metadata's columns
_LAST = _FIRST + len(_METADATA)
_WORDS = [field.name for field in _METADATA].index("keywords")


def _record(row: tuple[Any, ...]) -> ImageRecord:
    # By place, not by name: an index writer reads each row of a run, and names took as long again.
    uri, size, version, seq, status, run_id, image, content, phash = row[:9]
    width, height, format, space = row[9:_FIRST]
    told = [*row[_FIRST:_LAST]]
    told[_WORDS] = tuple(told[_WORDS] or ())
    pack, offset, length, stage, kind, reason = row[_LAST:]
    return ImageRecord(
        uri,
        size,
        version,
        seq,
        status,
        run_id,
        _uuid(image) if image else None,
        content.hex() if content else None,
        phash.hex() if phash else None,
        width,
        height,
        format,
        space,
        Metadata(*told),
        None if pack is None else Thumbnail(pack, offset, length),
        None if stage is None else Failure(uri, stage, kind, reason),
    )


def _uuid(raw: bytes) -> str:
    """As `str(uuid.UUID(bytes=raw))`, in a fifth of its time."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def embeddings_table(
    contents: list[str], vectors: NDArray[np.float32], spec: ModelSpec
) -> pa.Table:
    """Embeddings of distinct contents; vectors is (n, dim), stored fp16, model in the metadata."""
    half = np.ascontiguousarray(vectors, dtype="<f2")
    if half.shape != (len(contents), spec.dim):
        raise ValueError(f"expected vectors of shape {(len(contents), spec.dim)}, got {half.shape}")
    width = pa.binary(2 * spec.dim)
    document = {
        "space": spec.space,
        "model": spec.to_json(),
        "dtype": "float16",
        "normalised": True,
    }
    return pa.table(
        {
            "content_id": pa.array([bytes.fromhex(c) for c in contents], pa.binary(16)),
            "vector": pa.FixedSizeBinaryArray.from_buffers(
                width, len(contents), [None, pa.py_buffer(half.tobytes())]
            ),
        },
        metadata={META: json.dumps(document, sort_keys=True).encode()},
    )


def vectors(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A stored vector column as (n, dim) float32, L2-normalised anew (fp16 rounding undone)."""
    array = pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
    dim = array.type.byte_width // 2
    raw = np.frombuffer(array.buffers()[1], dtype="<f2", count=(array.offset + len(array)) * dim)
    full = raw.reshape(-1, dim)[array.offset :].astype(np.float32)
    full /= np.maximum(np.linalg.norm(full, axis=1, keepdims=True), 1e-12)
    return full


def document(schema: pa.Schema) -> dict[str, Any]:
    """Our JSON document in a schema's metadata."""
    return dict(json.loads(schema.metadata[META]))
