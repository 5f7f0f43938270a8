"""Cuts work into model batches, smaller ones where the GPU's memory does not take them."""

from collections.abc import Callable
from typing import TypeVar

import torch

from pdray.errors import ModelUnavailable

T = TypeVar("T")


def run_in_batches(total: int, batch: int, run: Callable[[int, int], T]) -> tuple[list[T], int]:
    """Calls `run(start, stop)` over range(total), in order, and returns its results with the batch
    size that worked, so that the next call can begin with it.

    A batch that runs out of GPU memory is halved and tried again; ModelUnavailable where not even
    one item fits.
    """
    results: list[T] = []
    start = 0
    while start < total:
        stop = min(start + batch, total)
        result = _try(run, start, stop)
        if result is not None:
            results.append(result)
            start = stop
            continue
        if stop - start == 1:
            raise ModelUnavailable(
                "The GPU has too little free memory for a single image or text: free some, or use "
                "the device cpu."
            )
        batch = (stop - start) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return results, batch


def _try(run: Callable[[int, int], T], start: int, stop: int) -> T | None:
    # In a function of its own, so that the failed attempt's tensors are gone with its traceback
    # before memory is asked for again.
    try:
        return run(start, stop)
    except torch.OutOfMemoryError:
        return None
