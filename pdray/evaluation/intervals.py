"""How sure a mean is, and a difference of two, when queries of one image stand or fall together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Groups = NDArray[np.int64]
RESAMPLES = 2000
FLIPS = 9999
_HELD = 2**23  # weights that are held at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two systems over the same queries: the mean of second less first, its 95% interval, and
    how often chance alone gives as much (two-sided)."""

    mean: float
    low: float
    high: float
    p: float


def estimate(values: Values, groups: Groups, seed: int = 0) -> Estimate:
    """The mean of `values` (n,) with a percentile bootstrap (Efron 1979, "Bootstrap methods")
    that draws whole groups: `groups` (n,) names each value's image. Values that are all the same
    give an interval without width: of what was never seen a bootstrap knows nothing.
    """
    sums, counts = _by_group(values, groups)
    rng = np.random.default_rng(seed)
    means = []
    step = max(1, _HELD // len(sums))
    for start in range(0, RESAMPLES, step):
        drawn = min(step, RESAMPLES - start)
        weights = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), drawn)
        means.append((weights @ sums) / (weights @ counts))
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))


def difference(first: Values, second: Values, groups: Groups, seed: int = 0) -> Difference:
    """Of paired values, (n,) each. p by flipping the signs of whole groups at random (Fisher's
    randomisation test), the observed one counted among them, so it is never 0.
    """
    apart = second - first
    found = estimate(apart, groups, seed)
    sums, _ = _by_group(apart, groups)
    rng = np.random.default_rng(seed + 1)
    seen, as_much = abs(sums.sum()), 1
    step = max(1, _HELD // len(sums))
    for start in range(0, FLIPS, step):
        drawn = min(step, FLIPS - start)
        signs = 2.0 * rng.integers(0, 2, (drawn, len(sums))) - 1.0
        # Sums of the same numbers in another order differ in their last digits.
        as_much += int((np.abs(signs @ sums) >= seen - 1e-9).sum())
    return Difference(found.mean, found.low, found.high, as_much / (FLIPS + 1))


def _by_group(values: Values, groups: Groups) -> tuple[Values, Values]:
    _, number = np.unique(groups, return_inverse=True)
    sums = np.bincount(number, values).astype(np.float64)
    return sums, np.bincount(number).astype(np.float64)
