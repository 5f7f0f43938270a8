"""Cutting into batches and halving them when memory runs out."""

import pytest
import torch

from pdray.errors import ModelUnavailable
from pdray.models.batches import run_in_batches


def numbers(start: int, stop: int) -> torch.Tensor:
    return torch.arange(start, stop)


def taking_at_most(limit: int):
    def run(start: int, stop: int) -> torch.Tensor:
        if stop - start > limit:
            raise torch.OutOfMemoryError("too many")
        return numbers(start, stop)

    return run


def test_batches_cover_everything_in_order_with_a_short_last_one():
    results, batch = run_in_batches(10, 4, numbers)
    assert [len(part) for part in results] == [4, 4, 2]
    assert torch.cat(results).tolist() == list(range(10))
    assert batch == 4


def test_a_batch_too_large_for_memory_is_halved_and_nothing_is_lost_or_done_twice():
    results, batch = run_in_batches(20, 16, taking_at_most(5))
    assert torch.cat(results).tolist() == list(range(20))
    assert batch == 4


def test_a_single_item_too_large_for_memory_ends_the_run_with_advice():
    with pytest.raises(ModelUnavailable, match="device cpu"):
        run_in_batches(3, 8, taking_at_most(0))


def test_nothing_to_do_gives_nothing():
    assert run_in_batches(0, 8, numbers) == ([], 8)


def test_other_errors_are_not_taken_for_lack_of_memory():
    def run(start: int, stop: int) -> torch.Tensor:
        raise RuntimeError("shape")

    with pytest.raises(RuntimeError, match="shape"):
        run_in_batches(4, 2, run)
