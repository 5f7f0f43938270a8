"""Points to put into an index, and which of them a search should find."""

import uuid

import numpy as np
from numpy.typing import NDArray

from pdray.index.points import Point

DIM = 16


def name(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def points(count: int, collection: str = "pets", seed: int = 0, **keys: object) -> list[Point]:
    return [
        Point(name(i), row, {"collection": collection, "uri": f"file:///p/{i}.jpg", **keys})
        for i, row in enumerate(vectors(count, seed))
    ]


def nearest(query: NDArray[np.float32], rows: NDArray[np.float32], among: list[int]) -> list[str]:
    return [name(i) for i in sorted(among, key=lambda i: -float(rows[i] @ query))]
