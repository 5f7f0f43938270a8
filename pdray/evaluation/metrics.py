"""Retrieval measured: where the right answers of each query rank, and the usual figures of that."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Values = NDArray[np.float64]
# Scores that are held at once: 128 MB.
_HELD = 2**25
# A hit among the first so many, and the depth of the discounted gain.
DEPTHS = (1, 5, 10)
NDCG_DEPTH = 10


def ranks(
    queries: Vectors, items: Vectors, right: Sequence[Sequence[int]]
) -> list[NDArray[np.int64]]:
    """For each query the ranks from 0 of its right items, ascending.

    `queries` (n, dim), `items` (m, dim), their dot product is the score; `right[i]` are indices of
    items, distinct, at least one. A wrong item of the same score comes before a right one: a model
    that can't tell items apart gains nothing by it.
    """
    found = []
    step = max(1, _HELD // max(1, len(items)))
    for start in range(0, len(queries), step):
        scores = queries[start : start + step] @ items.T
        for row, wanted in zip(scores, right[start : start + step], strict=True):
            found.append(_ranks(row, row[list(wanted)]))
    return found


def _ranks(scores: Vectors, of_right: Vectors) -> NDArray[np.int64]:
    best_first = np.sort(of_right)[::-1]
    ascending = np.sort(scores)
    no_worse = len(scores) - np.searchsorted(ascending, best_first, side="left")
    right_no_worse = len(of_right) - np.searchsorted(best_first[::-1], best_first, side="left")
    return np.asarray(no_worse - right_no_worse + np.arange(len(of_right)), np.int64)


def figures(ranked: Sequence[NDArray[np.int64]]) -> dict[str, Values]:
    """Each figure query by query, (n,): `recall_at_<k>`, 1 where a right item is among the first k;
    `reciprocal_rank`, whose mean is MRR; `ndcg_at_10` with gains of 0 and 1 (Järvelin and
    Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques").
    """
    first = np.array([row[0] for row in ranked], np.int64)
    found = {f"recall_at_{depth}": (first < depth).astype(np.float64) for depth in DEPTHS}
    found["reciprocal_rank"] = np.asarray(1.0 / (1.0 + first), np.float64)
    found[f"ndcg_at_{NDCG_DEPTH}"] = np.array([_ndcg(row) for row in ranked])
    return found


def _ndcg(row: NDArray[np.int64]) -> float:
    gained = (1.0 / np.log2(2.0 + row[row < NDCG_DEPTH])).sum()
    best = (1.0 / np.log2(2.0 + np.arange(min(len(row), NDCG_DEPTH)))).sum()
    return float(gained / best)


def alike(texts: Sequence[str]) -> list[list[int]]:
    """For each text the indices of all that say the same, whatever their case and spaces: captions
    that can't be told apart are right for each other's images.
    """
    same: dict[str, list[int]] = {}
    folded = [" ".join(text.casefold().split()) for text in texts]
    for index, text in enumerate(folded):
        same.setdefault(text, []).append(index)
    return [same[text] for text in folded]
