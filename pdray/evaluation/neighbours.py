"""The exact neighbours of a few queries among many vectors, which come a part at a time."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]
NOBODY = -1


class Nearest:
    """The `k` items of the highest dot product with each query, so far. `queries` (n, dim); `own`
    (n,) numbers the item that each query itself is, which doesn't count, or NOBODY.

    Holds n * k numbers, however many items come.
    """

    def __init__(self, queries: Vectors, k: int, own: Numbers | None = None) -> None:
        self._queries = queries
        self._own = np.full(len(queries), NOBODY, np.int64) if own is None else own
        # Best first; places that nothing has taken are NOBODY's, of score -inf.
        self.numbers = np.full((len(queries), k), NOBODY, np.int64)
        self.scores = np.full((len(queries), k), -np.inf, np.float32)

    def add(self, numbers: Numbers, items: Vectors) -> None:
        """Looks at items (m, dim) numbered (m,); a number comes once."""
        scores = self._queries @ items.T
        scores[self._own[:, None] == numbers[None, :]] = -np.inf
        every = np.concatenate([self.scores, scores], axis=1)
        names = np.concatenate(
            [self.numbers, np.broadcast_to(numbers, (len(self._queries), len(numbers)))], axis=1
        )
        # Only the best are sorted: the others are many.
        best = np.argpartition(-every, self.scores.shape[1] - 1, axis=1)[:, : self.scores.shape[1]]
        order = np.argsort(-np.take_along_axis(every, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        self.scores = np.take_along_axis(every, best, axis=1)
        self.numbers = np.take_along_axis(names, best, axis=1)
        self.numbers[np.isneginf(self.scores)] = NOBODY

    def wanted(self) -> Numbers:
        """How many each query has, (n,): fewer than k where there are no more."""
        return np.asarray((self.numbers != NOBODY).sum(axis=1), np.int64)

    def bar(self) -> Vectors:
        """The score of the last that counts, (n,); inf where there is none."""
        wanted = self.wanted()
        last = self.scores[np.arange(len(wanted)), np.maximum(wanted - 1, 0)]
        return np.asarray(np.where(wanted > 0, last, np.inf), np.float32)


def recall(found: list[Vectors], exact: Nearest, slack: float) -> float | None:
    """The part of the exact neighbours that an approximate search has, over all queries; None where
    there are none. `found[i]` are the true scores of what it has for query i.

    Counted by score, not by name, as in Aumüller, Bernhardsson and Faithfull 2020
    ("ANN-Benchmarks"): of two copies of an image either will do. What is `slack` short of the last
    exact neighbour counts: its order is a matter of rounding.
    """
    wanted, bar = exact.wanted(), exact.bar()
    if not wanted.sum():
        return None
    right = [
        min(int((scores >= bar[at] - slack).sum()), int(wanted[at]))
        for at, scores in enumerate(found)
    ]
    return float(sum(right) / wanted.sum())
