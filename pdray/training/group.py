"""Processes that learn together: each has a part of every batch, and all have the same weights."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


class Group(Protocol):
    """What one process sees of them."""

    rank: int
    size: int

    def part(self, batch: Sequence[T]) -> Sequence[T]:
        """This process's share of a batch whose length `size` divides."""

    def whole(self, own: Tensor) -> Tensor:
        """The rows of all, in the order of the batch; only its own carry gradients."""

    def add(self, parameters: Iterable[nn.Parameter]) -> None:
        """Gives each process the sum of all gradients."""

    def tell(self, value: float) -> float:
        """What the first process has."""

    def wait(self) -> None:
        """Until all are here."""


class Alone:
    """The only one."""

    rank, size = 0, 1

    def part(self, batch: Sequence[T]) -> Sequence[T]:
        """See Group."""
        return batch

    def whole(self, own: Tensor) -> Tensor:
        """See Group."""
        return own

    def add(self, parameters: Iterable[nn.Parameter]) -> None:
        """See Group."""

    def tell(self, value: float) -> float:
        """See Group."""
        return value

    def wait(self) -> None:
        """See Group."""


class Together:
    """The processes of torch's default process group, which exists already."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self._device = device

    def part(self, batch: Sequence[T]) -> Sequence[T]:
        """See Group."""
        share = len(batch) // self.size
        return batch[self.rank * share : (self.rank + 1) * share]

    def whole(self, own: Tensor) -> Tensor:
        """See Group. Each process takes the loss of the whole batch, so the sum of what their own
        rows get is the gradient that one process would have had.
        """
        rows = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(rows, own.detach().contiguous())
        rows[self.rank] = own
        return torch.cat(rows)

    def add(self, parameters: Iterable[nn.Parameter]) -> None:
        """See Group."""
        learning = list(parameters)
        found = [p.grad if p.grad is not None else torch.zeros_like(p) for p in learning]
        flat = torch.cat([one.reshape(-1) for one in found])
        distributed.all_reduce(flat)
        start = 0
        for parameter in learning:
            stop = start + parameter.numel()
            parameter.grad = flat[start:stop].view_as(parameter)
            start = stop

    def tell(self, value: float) -> float:
        """See Group."""
        told = torch.tensor([value], dtype=torch.float64, device=self._device)
        distributed.broadcast(told, 0)
        return float(told)

    def wait(self) -> None:
        """See Group."""
        self.tell(0.0)
