"""Several things looked for at once, each with a weight: where to search, how much each counts.

What is of one kind (words, images) becomes one direction. Similarities to words and to images lie
on different scales, so the two kinds meet only as ranked lists. A weight below 0 pushes away:
within a kind the direction turns, and where the other kind alone says what is wanted, the list of
what is unwanted counts against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Weighted = tuple[float, Vector]  # a weight, and a unit vector

# How far what is unwanted pushes away, in lengths of what is looked for. At 1 the query itself is
# lost.
PUSH = 0.5


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of a query counts: its free words, the image that comes with it (below 0:
    less of it), and how far the words with a minus push away.
    """

    text: float = 1.0
    image: float = 1.0
    without: float = 1.0


EQUAL = Weights()


@dataclass(frozen=True, slots=True)
class Direction:
    """A unit vector to search with. The list it finds counts with `weight`: below 0, against."""

    vector: Vector
    weight: float = 1.0


def directions(*kinds: Sequence[Weighted]) -> list[Direction]:
    """One direction for each kind that has anything, those that are wanted first."""
    some = [kind for kind in kinds if kind]
    wanted = [kind for kind in some if any(weight > 0 for weight, _ in kind)]
    found = [
        Direction(_towards(kind), sum(weight for weight, _ in kind if weight > 0))
        for kind in wanted
    ]
    others = [kind for kind in some if not any(weight > 0 for weight, _ in kind)]
    return found + [_unwanted(kind, alone=not wanted) for kind in others]


def _towards(parts: Sequence[Weighted]) -> Vector:
    """What is wanted, less a part of what is not."""
    wanted = _unit(np.sum([w * v for w, v in parts if w > 0], axis=0))
    if wanted is None:  # two opposites: the first counts
        wanted = next(v for w, v in parts if w > 0)
    away = [-w * v for w, v in parts if w < 0]
    if not away:
        return wanted
    direction = _unit(wanted - PUSH * np.sum(away, axis=0))
    # What takes all of itself back leaves nothing to look for but itself.
    return wanted if direction is None else direction


def _unwanted(parts: Sequence[Weighted], *, alone: bool) -> Direction:
    total = _unit(np.sum([-w * v for w, v in parts], axis=0))
    vector = parts[0][1] if total is None else total
    if alone:
        return Direction(-vector)
    return Direction(vector, sum(weight for weight, _ in parts))


def _unit(vector: Vector) -> Vector | None:
    length = float(np.linalg.norm(vector))
    return np.asarray(vector / length, np.float32) if length > 1e-6 else None
