"""Teaches a CLIP or a BLIP what people say of their own images, and writes a folder that `--model`
or `--captioner` takes.

What it must not forget is half of each batch where captions of that are given too ("rehearsal").
Judged on images held out, before, meanwhile and after; the best state is kept.
"""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned
from pdray.records import CaptionerSpec, ModelSpec
from pdray.training.blip_pupil import BlipPupil
from pdray.training.clip_pupil import ClipPupil
from pdray.training.group import Alone, Group
from pdray.training.loop import CHECKPOINT, Limits, Progress, run, schedule
from pdray.training.pairs import Draw, Pairs, load_pairs, split
from pdray.training.pupil import Mark, Pupil
from pdray.training.unfinished import MARK, claim, identity

DEFAULT_STEPS = 1000
ABOUT = "finetuning.json"  # what was measured, in the new model's folder
_PIXELS = "pictures-{}.npy"
_KINDS = ("taught", "rehearsed")
# What the rehearsed may lose, of R@1 or in nats a token, before a state counts as worse.
_LOSS = 0.02


@dataclass(frozen=True, slots=True)
class Tuning:
    """How it goes. `learning_rate` None: by the model's size. `lora` is the rank of adapters that
    learn in the weights' place and are added to them at the end; None: all weights learn.
    """

    batch: int = 128
    learning_rate: float | None = None
    weight_decay: float = 0.05
    warm_up: float = 0.1  # parts of the whole
    cool_down: float = 0.9
    lora: int | None = None
    bf16: bool | None = None  # mixed precision; None: where the device is faster so
    held_out: float = 0.1
    looks: int = 10  # at the held-out images, over the whole
    patience: int = 4  # looks without gain that end it


@dataclass(frozen=True, slots=True)
class Judged:
    """Scores over held-out images, the higher the better: of what is taught, and of what is
    rehearsed. `figures` tells them by kind and name."""

    taught: float
    rehearsed: float | None
    figures: dict[str, dict[str, float]] = field(default_factory=dict)

    def better_than(self, other: "Judged", start: "Judged") -> bool:
        """A gain counts only where what is rehearsed keeps what it had at the start."""
        return self._score(start) > other._score(start)

    def _score(self, start: "Judged") -> float:
        if self.rehearsed is None or start.rehearsed is None:
            return self.taught
        return self.taught - 10 * max(0.0, start.rehearsed - self.rehearsed - _LOSS)


def finetune(
    spec: ModelSpec | CaptionerSpec,
    read: Captioned,
    out: Path,
    *,
    rehearse: Captioned | None = None,
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    device: str = "auto",
    tuning: Tuning = Tuning(),
    on_progress: Callable[[Progress], None] | None = None,
    group: Group | None = None,
) -> dict[str, Any]:
    """Trains, writes the model's folder into `out`, and returns what was measured: `steps`,
    `held_out` images, and figures by kind ("taught", "rehearsed") and name, `before` and `after`.
    Of a CLIP it is `r1`, of a BLIP `loss` and `exact` (see their `judge`).

    Beside the model lie the decoded pictures and a checkpoint, from which the same call goes on
    after a kill; both go at the end. Of a `group` each process calls this, after one called
    `prepare`; `tuning.batch` is that of all of them, and the first one judges and writes.
    UsageError for a model that is neither, and where `out` holds anything but an unfinished call of
    the same pairs, model, seed and tuning.
    """
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    limits = Limits(steps, minutes)
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    group = group or Alone()
    read_in = prepare(spec, read, out, rehearse, seed, tuning)
    pairs = [split(one, tuning.held_out, seed) for one in read_in]
    tuner = Tuner(_pupil(spec, pairs, device, tuning), pairs, seed, tuning, limits, group)
    run(tuner, out, limits, on_progress, agree=group.tell, writes=group.rank == 0)
    group.wait()
    figures = tuner.figures()
    if group.rank == 0:
        tuner.save(out)
        about = {"from": spec.name, "fingerprint": spec.fingerprint, **figures}
        (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        for leftover in (*out.glob(_PIXELS.format("*")), out / CHECKPOINT, out / MARK):
            leftover.unlink(missing_ok=True)
    group.wait()
    return figures


def prepare(
    spec: ModelSpec | CaptionerSpec,
    read: Captioned,
    out: Path,
    rehearse: Captioned | None,
    seed: int,
    tuning: Tuning,
) -> list[Pairs]:
    """Takes the folder and decodes the images into it, unless that is done; UsageError as
    `finetune`.
    """
    _refuse_others(spec)
    claim(out, identity(spec, [read, rehearse], seed, asdict(tuning)))
    return [
        load_pairs(one, spec.preprocessing, out / _PIXELS.format(name))
        for name, one in zip(_KINDS, (read, rehearse), strict=True)
        if one is not None
    ]


def _refuse_others(spec: ModelSpec | CaptionerSpec) -> None:
    if isinstance(spec, ModelSpec) and spec.model_type not in ("clip", "metaclip_2"):
        raise UsageError(
            f"{spec.name} is of type {spec.model_type}: only CLIP and MetaCLIP 2 can be fine-tuned."
        )
    if isinstance(spec, CaptionerSpec) and spec.kind != "blip":
        raise UsageError(f"The captioner {spec.name} is no BLIP: only BLIP can be fine-tuned.")


def _pupil(
    spec: ModelSpec | CaptionerSpec,
    pairs: Sequence[tuple[Pairs, Pairs]],
    device: str,
    tuning: Tuning,
) -> Pupil:
    options: dict[str, Any] = {"device": device, "lora": tuning.lora, "bf16": tuning.bf16}
    if isinstance(spec, ModelSpec):
        return ClipPupil(spec, **options)
    said = (text for taught, _ in pairs for text in taught.texts)
    return BlipPupil(spec, said, **options)


class Tuner:
    """One fine-tuning: who learns, from what, and by what it is judged."""

    def __init__(
        self,
        pupil: Pupil,
        pairs: Sequence[tuple[Pairs, Pairs]],
        seed: int,
        tuning: Tuning,
        limits: Limits,
        group: Group,
    ) -> None:
        self._group = pupil.group = group
        self._pupil, self._pairs, self._tuning, self._limits = pupil, pairs, tuning, limits
        self._model = pupil.model
        learning = [p for p in self._model.parameters() if p.requires_grad]
        self._rate = tuning.learning_rate or _usual_rate(pupil.size, tuning.lora)
        self._optimiser = torch.optim.AdamW(
            [
                {
                    "params": [p for p in learning if p.ndim > 1],
                    "weight_decay": tuning.weight_decay,
                },
                {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=(0.9, 0.98),
        )
        self._draws = [
            Draw(taught, f"finetune:{seed}:{at}") for at, (taught, _) in enumerate(pairs)
        ]
        self.steps, self.seconds = 0, 0.0
        self._start = self._best = self._judge()
        self._best_state = copy.deepcopy(self._model.state_dict())
        self._looked, self._stale = 0, 0

    @property
    def pictures_known(self) -> int:
        """All that it learns from."""
        return sum(len(taught.pixels) for taught, _ in self._pairs)

    @property
    def ended(self) -> bool:
        """Whether several looks in a row brought nothing."""
        return self._stale >= self._tuning.patience

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "model": self._model.state_dict(),
            "best": self._best_state,
            "judged": [asdict(one) for one in (self._start, self._best)],
            "optimiser": self._optimiser.state_dict(),
            "counts": [self.steps, self._looked, self._stale],
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Which pictures come next is drawn anew."""
        self._model.load_state_dict(state["model"])
        self._best_state = state["best"]
        self._start, self._best = (Judged(**one) for one in state["judged"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps, self._looked, self._stale = state["counts"]
        self.seconds = state["seconds"]

    def step(self, fraction: float) -> dict[str, float]:
        """One batch of each kind of pairs, and now and then a look at what is held out."""
        tuning = self._tuning
        rate = self._rate * schedule(fraction, tuning.warm_up, tuning.cool_down)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        losses: dict[str, float] = {}
        for name, (pairs, _), draw in zip(_KINDS, self._pairs, self._draws, strict=False):
            texts = draw(tuning.batch // len(self._pairs))
            # As many as the processes can share alike.
            loss = self._pupil.loss(pairs, texts[: len(texts) - len(texts) % self._group.size])
            loss.backward()  # type: ignore[no-untyped-call]
            losses[name] = float(loss.detach())
        learning = [p for p in self._model.parameters() if p.requires_grad]
        self._group.add(learning)
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        self._optimiser.step()
        self.steps += 1
        done = self._group.tell(self._limits.fraction(self.steps, self.seconds))
        if done >= (self._looked + 1) / tuning.looks:
            self._look(done)
        return losses

    def _look(self, done: float) -> None:
        self._looked = int(done * self._tuning.looks + 1e-9)
        found = self._judge()
        if found.better_than(self._best, self._start):
            self._best, self._stale = found, 0
            self._best_state = copy.deepcopy(self._model.state_dict())
        else:
            self._stale += 1

    def _judge(self) -> Judged:
        found = [self._judged(held) for _, held in self._pairs]
        figures = {name: one.figures for name, one in zip(_KINDS, found, strict=False)}
        return Judged(found[0].score, found[1].score if len(found) > 1 else None, figures)

    def _judged(self, held: Pairs) -> Mark:
        """As the first process has it: what is kept, and when it ends, all must agree on."""
        if self._group.rank:
            return Mark(self._group.tell(0.0), {})
        found = self._pupil.judge(held)
        self._group.tell(found.score)
        return found

    def figures(self) -> dict[str, Any]:
        """What was measured on the held-out images, before and after."""
        return {
            "steps": self.steps,
            "held_out": len(self._pairs[0][1].pixels),
            "before": self._start.figures,
            "after": self._best.figures,
        }

    def save(self, out: Path) -> None:
        """Writes the best state as a folder that loads like the model it comes from."""
        self._model.load_state_dict(self._best_state)
        self._pupil.save(out)


def _usual_rate(size: int, lora: int | None) -> float:
    """1e-5 for the 151 million weights of ViT-B/32, as is usual, and more for smaller models and
    for adapters."""
    return float(1e-5 * (151e6 / size) ** 0.75) * (10 if lora else 1)
