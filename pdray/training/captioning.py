"""Trains the built-in captioner from nothing on rendered scenes, and writes its folder."""

import multiprocessing
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertTokenizer, BlipForConditionalGeneration

from pdray.errors import UsageError
from pdray.log import get
from pdray.models.precision import choose
from pdray.training.caption_card import write_caption_card
from pdray.training.caption_evaluation import evaluate_captioner
from pdray.training.caption_network import EDGE, GRID, make_network, make_tokenizer, save_network
from pdray.training.caption_pictures import Pictures, draw_chunks
from pdray.training.lessons import GROUND_CLASSES, PATCH_CLASSES

DEFAULT_STEPS = 4000
CHECKPOINT = "training.pt"
CHECKPOINT_SECONDS = 120.0
# Few patches show a thing; unweighted, "nothing" would be all that is learnt for long.
NOTHING = 0.1


@dataclass(frozen=True, slots=True)
class CaptionRecipe:
    """How training goes. `chunks` files of `pictures` pictures are drawn."""

    chunks: int = 24
    pictures: int = 2000
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.03  # parts of the whole
    cool_down: float = 0.35
    lessons: float = 0.5  # weight of their loss beside the captions'
    evaluation_scenes: int = 1000


@dataclass(frozen=True, slots=True)
class CaptionProgress:
    """How far training is: `fraction` from 0 to 1, mean losses of late, seconds of training."""

    step: int
    fraction: float
    captions: float
    lessons: float
    seconds: float
    pictures: int


class Lessons(nn.Module):
    """Linear answers from the image encoder's states (batch, 1 + patches, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches = nn.Linear(width, sum(PATCH_CLASSES))
        self.ground = nn.Linear(width, sum(GROUND_CLASSES))
        weights = [torch.ones(size) for size in PATCH_CLASSES]
        for weight in weights:
            weight[-1] = NOTHING
        self.shape, self.colour = weights

    def forward(self, states: Tensor, patches: Tensor, ground: Tensor) -> Tensor:
        """Sum of the mean cross-entropies; `patches` (batch, patches, 2), `ground` (batch, 3)."""
        shape, colour = self.patches(states[:, 1:]).float().split(PATCH_CLASSES, dim=2)
        loss = functional.cross_entropy(shape.flatten(0, 1), patches[..., 0].flatten(), self.shape)
        loss = loss + functional.cross_entropy(
            colour.flatten(0, 1), patches[..., 1].flatten(), self.colour
        )
        parts = self.ground(states[:, 0]).float().split(GROUND_CLASSES, dim=1)
        for index, part in enumerate(parts):
            loss = loss + functional.cross_entropy(part, ground[:, index])
        return loss


class CaptionTrainer:
    """One training run: the model, its optimisers and the pictures it learns from."""

    def __init__(self, pictures: Pictures, recipe: CaptionRecipe, seed: int, bf16: bool) -> None:
        torch.manual_seed(seed)
        self.pictures, self.recipe, self.bf16 = pictures, recipe, bf16
        self.tokenizer: BertTokenizer = make_tokenizer()
        self.model: BlipForConditionalGeneration = make_network(self.tokenizer).train()
        self.lessons = Lessons(self.model.config.vision_config.hidden_size)
        self.rng = random.Random(f"captioner:steps:{seed}")
        self.order: list[int] = []
        self.optimisers = _optimisers(self.model, self.lessons, recipe)
        self.steps, self.seconds = 0, 0.0

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "model": self.model.state_dict(),
            "lessons": self.lessons.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Which pictures come next is drawn anew."""
        self.model.load_state_dict(state["model"])
        self.lessons.load_state_dict(state["lessons"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.rng = random.Random(f"captioner:steps:{self.steps}")

    def step(self, fraction: float) -> tuple[float, float]:
        """One batch; `fraction` of the run sets the learning rate. Returns both losses."""
        rate = self.recipe.learning_rate * _schedule(fraction, self.recipe)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
        rows = self.pictures.rows(self._draw_rows())
        words = self.tokenizer(rows["captions"].tolist(), padding=True, return_tensors="pt")
        ids, seen = words["input_ids"], words["attention_mask"]
        ids[:, 0] = self.model.config.text_config.bos_token_id
        with self._precision():
            output = self.model(
                pixel_values=self._pixels(rows["pixels"]),
                input_ids=ids[:, :-1],
                attention_mask=seen[:, :-1],
            )
            asked = self.lessons(
                output.image_embeds,
                torch.from_numpy(rows["patches"].astype(np.int64)),
                torch.from_numpy(rows["ground"].astype(np.int64)),
            )
        target = ids[:, 1:].masked_fill(seen[:, 1:] == 0, -100)
        told = functional.cross_entropy(output.logits.float().flatten(0, 1), target.flatten())
        (told + self.recipe.lessons * asked).backward()
        parameters = [*self.model.parameters(), *self.lessons.parameters()]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        self.steps += 1
        return float(told.detach()), float(asked.detach())

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext()

    def _draw_rows(self) -> list[int]:
        if len(self.order) < self.recipe.batch:
            self.pictures.look()
            self.order = list(range(len(self.pictures)))
            self.rng.shuffle(self.order)
        taken = self.order[: self.recipe.batch]
        self.order = self.order[self.recipe.batch :]
        return taken

    def _pixels(self, pixels: NDArray[np.generic]) -> Tensor:
        """(batch, 3, edge, edge) from -1 to 1, moved by up to two pixels and of slightly other
        contrast and brightness each time."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        gain = torch.empty(len(batch), 1, 1, 1).uniform_(0.92, 1.08)
        lift = torch.empty(len(batch), 1, 1, 1).uniform_(-0.05, 0.05)
        batch = batch.mul_(gain).add_(lift).clamp_(-1.0, 1.0)
        padded = functional.pad(batch, (2, 2, 2, 2), mode="reflect")
        across, down = self.rng.randrange(5), self.rng.randrange(5)
        return padded[:, :, down : down + EDGE, across : across + EDGE].contiguous()


def train_captioner(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    bf16: bool | None = None,
    on_progress: Callable[[CaptionProgress], None] | None = None,
    recipe: CaptionRecipe = CaptionRecipe(),
) -> dict[str, float]:
    """Trains, writes the model's folder and its card into `out`, and returns the figures measured.

    It ends after `steps` or `minutes` of training, whichever is first; with neither, after
    DEFAULT_STEPS. Beside the model lie the pictures and, every two minutes, a checkpoint, from
    which the same call goes on after a kill; both go at the end. `bf16` computes in mixed
    precision; None: where the CPU is faster so. The calling process must be importable by a child
    (a guarded main), which draws. UsageError where steps or minutes are not positive.
    """
    if (steps is not None and steps < 1) or (minutes is not None and minutes <= 0):
        raise UsageError(f"Training can't take {steps} steps or {minutes} minutes; ask for more.")
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    if threads is not None:
        torch.set_num_threads(threads)
    if bf16 is None:
        bf16 = choose("cpu").precision == "bf16"
    out.mkdir(parents=True, exist_ok=True)
    trainer = _train(out, seed, steps, minutes, bf16, on_progress, recipe)
    figures = evaluate_captioner(out, recipe.evaluation_scenes)
    for leftover in (out / "pictures").iterdir():
        leftover.unlink()
    (out / "pictures").rmdir()
    (out / CHECKPOINT).unlink(missing_ok=True)
    write_caption_card(
        out,
        figures,
        edge=EDGE,
        parameters=sum(p.numel() for p in trainer.model.parameters()) / 1e6,
        pictures=recipe.chunks * recipe.pictures,
        steps=trainer.steps,
        batch=recipe.batch,
        seed=seed,
        minutes=trainer.seconds / 60,
        command=_command(seed, steps, minutes),
        scenes=recipe.evaluation_scenes,
    )
    return figures | {"steps": float(trainer.steps)}


def _command(seed: int, steps: int | None, minutes: float | None) -> str:
    limits = f" --steps {steps}" if steps else ""
    limits += f" --minutes {minutes:g}" if minutes else ""
    return f"pdray models train-builtin --captioner --seed {seed}{limits}"


def _train(
    out: Path,
    seed: int,
    steps: int | None,
    minutes: float | None,
    bf16: bool,
    on_progress: Callable[[CaptionProgress], None] | None,
    recipe: CaptionRecipe,
) -> CaptionTrainer:
    folder = out / "pictures"
    asked = (folder, seed, recipe.chunks, recipe.pictures, EDGE, GRID)
    process = multiprocessing.get_context("spawn").Process
    artist = process(target=draw_chunks, args=asked, daemon=True)
    artist.start()
    pictures = Pictures(folder, recipe.chunks, recipe.pictures)
    while not len(pictures):
        artist.join(1.0)
        pictures.look()
        if artist.exitcode:
            raise UsageError(f"No pictures could be drawn into {folder}: see the message above.")
    trainer = CaptionTrainer(pictures, recipe, seed, bf16)
    if (out / CHECKPOINT).exists():
        trainer.resume(torch.load(out / CHECKPOINT, weights_only=True))
        get("training").info("going on after step %d", trainer.steps)
    _run(trainer, out, steps, minutes, on_progress)
    save_network(trainer.model, trainer.tokenizer, out)
    artist.terminate()
    return trainer


def _run(
    trainer: CaptionTrainer,
    out: Path,
    steps: int | None,
    minutes: float | None,
    on_progress: Callable[[CaptionProgress], None] | None,
) -> None:
    last = saved = time.monotonic()
    told = asked = 0.0
    while True:
        by_steps = trainer.steps / steps if steps else 0.0
        by_time = trainer.seconds / (minutes * 60) if minutes else 0.0
        fraction = max(by_steps, by_time)
        if fraction >= 1.0:
            return
        now_told, now_asked = trainer.step(fraction)
        told = now_told if told == 0.0 else 0.95 * told + 0.05 * now_told
        asked = now_asked if asked == 0.0 else 0.95 * asked + 0.05 * now_asked
        now = time.monotonic()
        trainer.seconds, last = trainer.seconds + now - last, now
        if now - saved > CHECKPOINT_SECONDS:
            saved = now
            unfinished = out / f"{CHECKPOINT}.unfinished"
            torch.save(trainer.state(), unfinished)
            unfinished.replace(out / CHECKPOINT)
        if on_progress is not None:
            pictures = len(trainer.pictures)
            on_progress(
                CaptionProgress(trainer.steps, fraction, told, asked, trainer.seconds, pictures)
            )


def _schedule(fraction: float, recipe: CaptionRecipe) -> float:
    """Linear up, level, then linear down to one hundredth."""
    if fraction < recipe.warm_up:
        return max(fraction, 1e-3) / recipe.warm_up
    left = (1.0 - fraction) / recipe.cool_down
    return max(0.01, min(1.0, left))


def _optimisers(
    model: BlipForConditionalGeneration, lessons: Lessons, recipe: CaptionRecipe
) -> list[torch.optim.Optimizer]:
    """Muon (Jordan 2024, "Muon: an optimizer for hidden layers in neural networks") for the layers'
    matrices, which learns in about half the steps; AdamW for the rest, decaying matrices alone."""
    hidden = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and ".encoder.layer" in name
    ]
    taken = {id(parameter) for parameter in hidden}
    rest = [p for p in [*model.parameters(), *lessons.parameters()] if id(p) not in taken]
    decay = recipe.weight_decay
    return [
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
