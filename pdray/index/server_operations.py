"""Points as the operations that a server applies: pure functions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_client import models

from pdray.index.points import MACHINE_KEYS, Point


def insertions(points: Sequence[Point]) -> list[models.UpdateOperation]:
    """What makes points that don't exist yet."""
    if not points:
        return []
    rows = [
        models.PointStruct(id=point.id, vector=point.vector.tolist(), payload=point.payload)
        for point in points
    ]
    return [models.UpsertOperation(upsert=models.PointsList(points=rows))]


def changes(points: Sequence[Point]) -> list[models.UpdateOperation]:
    """What changes points that exist, and leaves what people say of them alone where a payload
    has nothing of it.

    Vectors first, then what is gone (points that lost the same keys together), then the new.
    """
    if not points:
        return []
    rows = [models.PointVectors(id=point.id, vector=point.vector.tolist()) for point in points]
    gone: dict[frozenset[str], list[str]] = defaultdict(list)
    for point in points:
        gone[MACHINE_KEYS.difference(point.payload)].append(point.id)
    return [
        models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=rows)),
        *(
            models.DeletePayloadOperation(
                delete_payload=models.DeletePayload(keys=sorted(keys), points=list(ids))
            )
            for keys, ids in gone.items()
            if keys
        ),
        *(
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload=point.payload, points=[point.id])
            )
            for point in points
        ),
    ]


def turned(
    id: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[models.UpdateOperation]:
    """What makes one payload of a point of another, and touches no more keys than that takes."""
    found: list[models.UpdateOperation] = []
    if gone := sorted(before.keys() - after.keys()):
        removal = models.DeletePayload(keys=gone, points=[id])
        found.append(models.DeletePayloadOperation(delete_payload=removal))
    if given := {key: value for key, value in after.items() if before.get(key) != value}:
        setting = models.SetPayload(payload=given, points=[id])
        found.append(models.SetPayloadOperation(set_payload=setting))
    return found
