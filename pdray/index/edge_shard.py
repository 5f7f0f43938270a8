"""Making and loading a Qdrant Edge shard."""

import os
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from pdray.errors import IndexUnavailable
from pdray.index.generations import broken
from pdray.index.schema import PAYLOAD_INDEXES, FieldType


def config(dim: int, optimise_from: int, scan_kilobytes: int | None = None) -> edge.EdgeConfig:
    """Cosine over fp16 vectors with a write-ahead log; a graph from `optimise_from` points on.

    Matches of a filter that hold less than `scan_kilobytes` (None: Edge's own 10,000) are scanned.
    """
    vectors = edge.EdgeVectorParams(
        size=dim,
        distance=edge.Distance.Cosine,
        # as the catalog has them: half the memory, scores within 5e-5
        datatype=edge.VectorStorageDatatype.Float16,
    )
    kilobytes = optimise_from * dim * 2 // 1024  # of stored vectors, two bytes a dimension
    graph = None if scan_kilobytes is None else edge.HnswIndexConfig(16, 100, scan_kilobytes)
    return edge.EdgeConfig(
        vectors,
        hnsw_config=graph,
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=max(1, kilobytes - 1)),
        wal_enabled=True,
        # Edge's eight wake each other a hundred times a query, though there is one segment to scan;
        # one works in the thread that asks, and a query takes 0.9 of the time.
        max_search_threads=max(1, (os.cpu_count() or 1) // 2),
    )


def create(place: Path, settings: edge.EdgeConfig) -> edge.EdgeShard:
    """A new shard with its payload indexes, on disk when it returns, in a generation's folder."""
    path = place / "shard"
    try:
        path.mkdir(parents=True)
        shard = edge.EdgeShard.create(str(path), settings)
        index_payload(shard)
        shard.flush()
    except Exception as error:  # Edge raises bare Exception for whatever goes wrong
        raise IndexUnavailable(
            f"The index in {place.parent} can't be made ({one_line(error)}): see that the disk has "
            "room and can be written."
        ) from error
    return shard


def load(folder: Path, generation: str, settings: edge.EdgeConfig) -> edge.EdgeShard:
    """The shard of a generation; raises IndexUnavailable that asks for a rebuild."""
    try:
        shard = edge.EdgeShard.load(str(folder / generation / "shard"), settings)
        index_payload(shard)
    except Exception as error:  # Edge raises bare Exception for whatever is broken
        raise broken(folder, one_line(error)) from error
    return shard


def index_payload(shard: edge.EdgeShard) -> None:
    """Indexes what is missing of PAYLOAD_INDEXES."""
    have = shard.info().payload_schema
    for field, kind in PAYLOAD_INDEXES.items():
        if field not in have:
            shard.update(edge.UpdateOperation.create_field_index(field, _schema(kind)))


def _schema(kind: FieldType) -> Any:
    if kind == "tenant":
        return edge.KeywordIndexParams(is_tenant=True)
    if kind == "text":
        return edge.TextIndexParams(lowercase=True, ascii_folding=True, phrase_matching=True)
    if kind == "presence":
        # Every index knows which points have a value; this one holds none of the texts.
        return edge.PayloadSchemaType.Integer
    return getattr(edge.PayloadSchemaType, kind.capitalize())


def one_line(error: Exception) -> str:
    """What Edge says, short and on one line."""
    return " ".join(str(error).split())[:300]
