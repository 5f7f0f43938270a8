"""Points as the operations that a server applies: pure functions."""

from collections import defaultdict
from collections.abc import Sequence

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
    """What changes points that exist and leaves their library keys alone.

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
