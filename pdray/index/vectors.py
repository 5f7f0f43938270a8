"""What is checked before anything is sent: a bad vector would poison every search."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pdray.index.points import Point


def distinct(points: Sequence[Point]) -> list[Point]:
    """The points with each id once; of several the last counts."""
    return list({point.id: point for point in points}.values())


def checked(points: Sequence[Point], dim: int) -> NDArray[np.float32]:
    """The vectors as float32 [points, dim]; raises ValueError, naming the point that is wrong."""
    for point in points:
        _check(point.vector, dim, f"of point {point.id}")
    rows = [np.asarray(point.vector, np.float32) for point in points]
    return np.stack(rows) if rows else np.empty((0, dim), np.float32)


def checked_query(vector: NDArray[np.float32], dim: int) -> list[float]:
    """A query vector as Qdrant takes it; raises ValueError for a wrong one."""
    _check(vector, dim, "of the query")
    return [float(value) for value in np.asarray(vector, np.float32)]


def _check(vector: NDArray[np.float32], dim: int, whose: str) -> None:
    if np.shape(vector) != (dim,):
        raise ValueError(f"The vector {whose} has shape {np.shape(vector)}, not ({dim},).")
    if not np.isfinite(vector).all():
        raise ValueError(f"The vector {whose} has values that are not finite.")
