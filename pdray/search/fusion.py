"""Putting several ranked lists into one."""

from collections.abc import Sequence

# The constant of Cormack, Clarke and Büttcher; it damps the lead of the first few ranks.
RRF_K = 60


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[str]],
    *,
    weights: Sequence[float] | None = None,
    k: int = RRF_K,
) -> list[tuple[str, float]]:
    """(id, score) of every id in any ranking, best first.

    The score is the sum of weight / (k + rank) over the rankings, ranks counted from 1. Each is
    best first; an id that it names twice counts where it stands first. Ties go to the id with the
    better single rank, then to the smaller id, so that the order never depends on chance.
    Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
    Rank Learning Methods", SIGIR 2009. Raises ValueError where weights and rankings don't pair.
    """
    shares = [1.0] * len(rankings) if weights is None else list(weights)
    if len(shares) != len(rankings):
        raise ValueError(f"{len(rankings)} rankings need as many weights, not {len(shares)}.")
    scores: dict[str, float] = {}
    best: dict[str, int] = {}
    for ranking, share in zip(rankings, shares, strict=True):
        for rank, key in enumerate(dict.fromkeys(ranking), start=1):
            scores[key] = scores.get(key, 0.0) + share / (k + rank)
            best[key] = min(rank, best.get(key, rank))
    return sorted(scores.items(), key=lambda item: (-item[1], best[item[0]], item[0]))
