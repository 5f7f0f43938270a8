"""How both trainings run: limits, schedule, optimisers, checkpoints."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pdray.errors import UsageError
from pdray.log import get

CHECKPOINT = "training.pt"
CHECKPOINT_SECONDS = 120.0
# Weight of the newest step in the losses that are told.
NEWEST = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """When training ends: after `steps` or `minutes` of it, whichever is first."""

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """UsageError where one of them isn't positive or neither is given."""
        steps, minutes = self.steps, self.minutes
        neither = steps is None and minutes is None
        if neither or (steps is not None and steps < 1) or (minutes is not None and minutes <= 0):
            raise UsageError(
                f"Training can't take {steps} steps or {minutes} minutes; ask for more."
            )

    def fraction(self, steps: int, seconds: float) -> float:
        """How much of the training that is, from 0; 1 or more ends it."""
        by_steps = steps / self.steps if self.steps else 0.0
        by_time = seconds / (self.minutes * 60) if self.minutes else 0.0
        return max(by_steps, by_time)

    def options(self) -> str:
        """As the command line takes them."""
        words = f" --steps {self.steps}" if self.steps else ""
        return words + (f" --minutes {self.minutes:g}" if self.minutes else "")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far training is: `fraction` from 0 to 1, each loss's mean of late, seconds of training,
    and how many pictures it draws from."""

    step: int
    fraction: float
    losses: dict[str, float]
    seconds: float
    pictures: int


class Trainer(Protocol):
    """What learns: `steps` and `seconds` it has taken are its own, so that they resume with it."""

    steps: int
    seconds: float

    @property
    def pictures_known(self) -> int:
        """Pictures that it draws from now."""

    @property
    def ended(self) -> bool:
        """Whether more steps would not help."""

    def step(self, fraction: float) -> dict[str, float]:
        """One batch at a point of the schedule; each loss by name."""

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""


def run(
    trainer: Trainer,
    folder: Path,
    limits: Limits,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    agree: Callable[[float], float] = lambda fraction: fraction,
    writes: bool = True,
) -> None:
    """Steps until `limits` or the trainer's own end, from a checkpoint in `folder`.

    A checkpoint is written every CHECKPOINT_SECONDS and left there: whoever calls removes it when
    all is done. Of processes that train together one `writes`, and all `agree` on how far it is.
    """
    if (folder / CHECKPOINT).exists():
        trainer.resume(torch.load(folder / CHECKPOINT, weights_only=True))
        get("training").info("going on after step %d", trainer.steps)
    last = saved = time.monotonic()
    losses: dict[str, float] = {}
    while not trainer.ended:
        fraction = agree(limits.fraction(trainer.steps, trainer.seconds))
        if fraction >= 1.0:
            return
        for name, value in trainer.step(fraction).items():
            losses[name] = (1 - NEWEST) * losses.get(name, value) + NEWEST * value
        now = time.monotonic()
        trainer.seconds, last = trainer.seconds + now - last, now
        if writes and now - saved > CHECKPOINT_SECONDS:
            saved = now
            unfinished = folder / f"{CHECKPOINT}.unfinished"
            torch.save(trainer.state(), unfinished)
            unfinished.replace(folder / CHECKPOINT)
        if on_progress is not None:
            done = min(1.0, limits.fraction(trainer.steps, trainer.seconds))
            known = trainer.pictures_known
            on_progress(Progress(trainer.steps, done, dict(losses), trainer.seconds, known))


def schedule(fraction: float, warm_up: float, cool_down: float) -> float:
    """Part of the highest learning rate: linear up, level, then linear down to one hundredth."""
    if fraction < warm_up:
        return max(fraction, 1e-3) / warm_up
    return max(0.01, min(1.0, (1.0 - fraction) / cool_down))


class Optimisers:
    """Muon (Jordan 2024, "Muon: an optimizer for hidden layers in neural networks") for the layers'
    matrices, which learns in about half the steps; AdamW for the rest, decaying matrices alone."""

    def __init__(
        self, hidden: Sequence[nn.Parameter], all_of: Sequence[nn.Parameter], decay: float
    ):
        taken = {id(parameter) for parameter in hidden}
        rest = [p for p in all_of if id(p) not in taken]
        self._parameters = list(all_of)
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(hidden, lr=0.0, weight_decay=decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(
                [
                    {"params": [p for p in rest if p.ndim > 1], "weight_decay": decay},
                    {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
                ],
                lr=0.0,
                betas=(0.9, 0.98),
            ),
        ]

    def step(self, loss: Tensor, rate: float) -> None:
        """One step down `loss` at this learning rate; the gradient's norm is held to 1."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)
            for group in part.param_groups:
                group["lr"] = rate
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for part in self._parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """Of every part."""
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """The other way."""
        for part, stored in zip(self._parts, state, strict=True):
            part.load_state_dict(stored)


def jittered(pixels: NDArray[np.generic], rng: random.Random) -> Tensor:
    """uint8 (batch, edge, edge, 3) as (batch, 3, edge, edge) from -1 to 1, moved by up to two
    pixels and of slightly other contrast and brightness each time."""
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
    gain = torch.empty(len(batch), 1, 1, 1).uniform_(0.92, 1.08)
    lift = torch.empty(len(batch), 1, 1, 1).uniform_(-0.05, 0.05)
    batch = batch.mul_(gain).add_(lift).clamp_(-1.0, 1.0)
    padded = functional.pad(batch, (2, 2, 2, 2), mode="reflect")
    across, down = rng.randrange(5), rng.randrange(5)
    edge = batch.shape[-1]
    return padded[:, :, down : down + edge, across : across + edge].contiguous()
