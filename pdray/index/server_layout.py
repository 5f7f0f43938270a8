"""A layout as a Qdrant server has it: in a request, and found in a collection."""

from collections.abc import Iterator

from qdrant_client import models

from pdray.index.layout import Layout, Quantisation


def vectors(layout: Layout, dim: int) -> models.VectorParams:
    """The vectors of a collection, as a request says it."""
    return models.VectorParams(
        size=dim,
        distance=models.Distance.COSINE,
        datatype=models.Datatype.FLOAT16,  # as the catalog has them
        on_disk=layout.on_disk or None,
        quantization_config=_quantised(layout.quantisation),
    )


def _quantised(
    quantisation: Quantisation,
) -> models.ScalarQuantization | models.BinaryQuantization | None:
    if quantisation == "int8":
        scalar = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        return models.ScalarQuantization(scalar=scalar)
    if quantisation == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    return None


def differences(found: models.CollectionParams, wanted: Layout) -> Iterator[str]:
    """In words, how a collection differs from what is wanted."""
    vector = found.vectors
    if not isinstance(vector, models.VectorParams):
        return
    pairs = [
        ("shards", found.shard_number or 1, wanted.shards),
        ("replicas", found.replication_factor or 1, wanted.replicas),
        ("write consistency", found.write_consistency_factor or 1, wanted.write_consistency),
        ("quantisation", _name(vector.quantization_config), wanted.quantisation),
        ("vectors", _place(vector.on_disk), _place(wanted.on_disk)),
    ]
    for what, has, wants in pairs:
        if has != wants:
            yield f"{what} {has}, not {wants}"


def _name(config: object) -> str:
    if config is None:
        return "none"
    kinds = {models.ScalarQuantization: "int8", models.BinaryQuantization: "binary"}
    return next((name for kind, name in kinds.items() if isinstance(config, kind)), "another")


def _place(on_disk: bool | None) -> str:
    return "on disk" if on_disk else "in memory"
