"""Trains the built-in captioner from nothing on rendered scenes, and writes its folder."""

import multiprocessing
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertTokenizer, BlipForConditionalGeneration

from pdray.errors import UsageError
from pdray.models.precision import choose
from pdray.training.caption_card import write_caption_card
from pdray.training.caption_evaluation import evaluate_captioner
from pdray.training.caption_network import EDGE, GRID, make_network, make_tokenizer, save_network
from pdray.training.caption_pictures import Pictures, draw_chunks
from pdray.training.lessons import GROUND_CLASSES, PATCH_CLASSES
from pdray.training.loop import CHECKPOINT, Limits, Optimisers, Progress, jittered, run, schedule

DEFAULT_STEPS = 4000
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
        parameters = [*self.model.parameters(), *self.lessons.parameters()]
        hidden = [
            parameter
            for name, parameter in self.model.named_parameters()
            if parameter.ndim == 2 and ".encoder.layer" in name
        ]
        self.optimisers = Optimisers(hidden, parameters, recipe.weight_decay)
        self.steps, self.seconds = 0, 0.0

    @property
    def pictures_known(self) -> int:
        """Pictures that have been drawn so far."""
        return len(self.pictures)

    @property
    def ended(self) -> bool:
        """Only the limits end it."""
        return False

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "model": self.model.state_dict(),
            "lessons": self.lessons.state_dict(),
            "optimisers": self.optimisers.state_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Which pictures come next is drawn anew."""
        self.model.load_state_dict(state["model"])
        self.lessons.load_state_dict(state["lessons"])
        self.optimisers.load_state_dict(state["optimisers"])
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.rng = random.Random(f"captioner:steps:{self.steps}")

    def step(self, fraction: float) -> dict[str, float]:
        """One batch; `fraction` of the run sets the learning rate."""
        rows = self.pictures.rows(self._draw_rows())
        words = self.tokenizer(rows["captions"].tolist(), padding=True, return_tensors="pt")
        ids, seen = words["input_ids"], words["attention_mask"]
        ids[:, 0] = self.model.config.text_config.bos_token_id
        with self._precision():
            output = self.model(
                pixel_values=jittered(rows["pixels"], self.rng),
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
        rate = schedule(fraction, self.recipe.warm_up, self.recipe.cool_down)
        self.optimisers.step(told + self.recipe.lessons * asked, self.recipe.learning_rate * rate)
        self.steps += 1
        return {"captions": float(told.detach()), "lessons": float(asked.detach())}

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


def train_captioner(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    bf16: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    recipe: CaptionRecipe = CaptionRecipe(),
) -> dict[str, float]:
    """Trains, writes the model's folder and its card into `out`, and returns the figures measured.

    It ends after `steps` or `minutes` of training, whichever is first; with neither, after
    DEFAULT_STEPS. Beside the model lie the pictures and, every two minutes, a checkpoint, from
    which the same call goes on after a kill; both go at the end. `bf16` computes in mixed
    precision; None: where the CPU is faster so. The calling process must be importable by a child
    (a guarded main), which draws. UsageError where steps or minutes are not positive.
    """
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    limits = Limits(steps, minutes)
    if threads is not None:
        torch.set_num_threads(threads)
    if bf16 is None:
        bf16 = choose("cpu").precision == "bf16"
    out.mkdir(parents=True, exist_ok=True)
    trainer = _train(out, seed, limits, bf16, on_progress, recipe)
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
        command=f"pdray models train-builtin --captioner --seed {seed}{limits.options()}",
        scenes=recipe.evaluation_scenes,
    )
    return figures | {"steps": float(trainer.steps)}


def _train(
    out: Path,
    seed: int,
    limits: Limits,
    bf16: bool,
    on_progress: Callable[[Progress], None] | None,
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
    run(trainer, out, limits, on_progress)
    save_network(trainer.model, trainer.tokenizer, out)
    artist.terminate()
    return trainer
