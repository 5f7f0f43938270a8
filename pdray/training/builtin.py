"""Trains the built-in model on rendered scenes, from the captioner's image tower, and writes its
folder."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import CLIPModel, PreTrainedTokenizerFast

from pdray.log import get
from pdray.models.precision import choose
from pdray.models.resolve import BUILTIN_CAPTIONER, builtin_folder
from pdray.samples.captions import full_caption, short_caption
from pdray.samples.scene import scenes
from pdray.training.card import write_card
from pdray.training.evaluation import evaluate
from pdray.training.loop import CHECKPOINT, Limits, Optimisers, Progress, jittered, run, schedule
from pdray.training.network import (
    DIM,
    EDGE,
    LONGEST,
    make_config,
    save_network,
    start_from_captioner,
)
from pdray.training.objective import Questions, answers, contrast_loss, finding_loss, fits
from pdray.training.pictures import STREAM, Pool, make_pool
from pdray.training.tokenizer import END, PAD, START, save_tokenizer, train_tokenizer

DEFAULT_STEPS = 2000
# The words of the tokenizer come from this many captions.
TOKENIZER_CAPTIONS = 20_000
TOKENS = {"pad": PAD, "end": END, "start": START}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How training goes. `pairs` pictures are drawn twice over before it starts."""

    pairs: int = 24_000
    batch_pairs: int = 112
    short_texts: int = 224  # a batch
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warm_up: float = 0.04  # parts of the whole
    cool_down: float = 0.5
    finding: float = 1.0  # weights of the losses beside the contrast's
    questions: float = 0.2
    evaluation_scenes: int = 1000
    evaluation_pairs: int = 300  # of each attribute


def train_builtin(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    bf16: bool | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    recipe: Recipe = Recipe(),
) -> dict[str, float]:
    """Trains, writes the model's folder and its card into `out`, and returns the figures measured.

    It ends after `steps`, or after `minutes` of training (drawing and evaluation come on top),
    whichever is first; with neither, after DEFAULT_STEPS. Steps alone repeat a run of the same
    seed, machine and threads. Beside the model lies a checkpoint, from which the same call goes on
    after a kill; it goes at the end. `bf16` computes in mixed precision; None: where the CPU is
    faster so. The process that calls this with `threads` over 1 must be importable by a child (a
    guarded main). UsageError where steps or minutes are not positive.
    """
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    limits = Limits(steps, minutes)
    if threads is not None:
        torch.set_num_threads(threads)
    if bf16 is None:
        bf16 = choose("cpu").precision == "bf16"
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = _make_tokenizer(seed, out)
    pool = make_pool(seed, recipe.pairs, EDGE, threads or torch.get_num_threads())
    get("training").info("drew %d pictures", len(pool.scenes))
    trainer = ClipTrainer(tokenizer, pool, recipe, seed, bf16)
    run(trainer, out, limits, on_progress)
    save_network(trainer.model, out)
    figures = evaluate(out, recipe.evaluation_scenes, pairs=recipe.evaluation_pairs)
    figures["steps"] = float(trainer.steps)
    (out / CHECKPOINT).unlink(missing_ok=True)
    write_card(
        out,
        figures,
        command=f"pdray models train-builtin --seed {seed}{limits.options()}",
        seed=seed,
        pictures=len(pool.scenes),
        batch=recipe.batch_pairs * 2,
        texts=recipe.short_texts,
        minutes=trainer.seconds / 60,
        scenes=recipe.evaluation_scenes,
        pairs=recipe.evaluation_pairs,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
        dim=DIM,
    )
    return figures


def _make_tokenizer(seed: int, out: Path) -> PreTrainedTokenizerFast:
    rng = random.Random(f"{STREAM}:tokenizer:{seed}")
    source = islice(scenes(seed, f"{STREAM}:tokenizer"), TOKENIZER_CAPTIONS)
    save_tokenizer(train_tokenizer(full_caption(s, rng) for s in source), out, longest=LONGEST)
    return PreTrainedTokenizerFast.from_pretrained(out)


class ClipTrainer:
    """One training run: the model, its optimisers and the pictures it learns from."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerFast,
        pool: Pool,
        recipe: Recipe,
        seed: int,
        bf16: bool,
    ) -> None:
        self.tokenizer, self.pool, self.recipe, self.bf16 = tokenizer, pool, recipe, bf16
        ids = {name: tokenizer.convert_tokens_to_ids(t) for name, t in TOKENS.items()}
        self.model = CLIPModel(make_config(len(tokenizer), **ids)).train()
        # The fused attention's backward pass takes most of a step on a CPU; products take a third.
        self.model.set_attn_implementation("eager")
        start_from_captioner(self.model, builtin_folder(BUILTIN_CAPTIONER))
        self.questions = Questions(self.model.config.vision_config.hidden_size)
        # Short texts find by a temperature of their own, which is thrown away: it orders nothing.
        self.sharpness = torch.nn.Parameter(torch.tensor(2.7))
        self.rng = random.Random(f"{STREAM}:steps:{seed}")
        self.answers = torch.tensor([answers(scene) for scene in pool.scenes])
        self.order: list[int] = []
        parameters = [*self.model.parameters(), *self.questions.parameters(), self.sharpness]
        hidden = [
            parameter
            for name, parameter in self.model.named_parameters()
            if parameter.ndim == 2 and ".encoder.layers" in name
        ]
        self.optimisers = Optimisers(hidden, parameters, recipe.weight_decay)
        self.steps, self.seconds = 0, 0.0

    @property
    def pictures_known(self) -> int:
        """All of them."""
        return len(self.pool.scenes)

    @property
    def ended(self) -> bool:
        """Only the limits end it."""
        return False

    def state(self) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "model": self.model.state_dict(),
            "questions": self.questions.state_dict(),
            "sharpness": self.sharpness.detach(),
            "optimisers": self.optimisers.state_dict(),
            "steps": self.steps,
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Which pictures come next is drawn anew."""
        self.model.load_state_dict(state["model"])
        self.questions.load_state_dict(state["questions"])
        self.sharpness.data.copy_(state["sharpness"])
        self.optimisers.load_state_dict(state["optimisers"])
        self.steps, self.seconds = state["steps"], state["seconds"]
        self.rng = random.Random(f"{STREAM}:steps:{self.steps}")

    def step(self, fraction: float) -> dict[str, float]:
        """One batch; `fraction` of the run, 0 to 1, sets the learning rate."""
        rows = self._draw_rows()
        shown = [self.pool.scenes[row] for row in rows]
        picked = self.rng.choices(shown, k=self.recipe.short_texts)
        short, claims = zip(*(short_caption(scene, self.rng) for scene in picked), strict=True)
        with self._precision():
            pooled = self.model.vision_model(
                pixel_values=jittered(self.pool.pixels[np.asarray(rows)], self.rng)
            ).pooler_output
            pictures = self.model.visual_projection(pooled)
            whole = self._words([full_caption(scene, self.rng) for scene in shown])
            parts = self._words(short)
            asked = self.questions(pooled, self.answers[rows])
        pictures, whole, parts = (
            functional.normalize(one.float(), dim=-1) for one in (pictures, whole, parts)
        )
        scale = self.model.logit_scale.exp().clamp(max=100.0)
        told = contrast_loss(pictures, whole, scale)
        found = finding_loss(
            pictures, parts, self.sharpness.exp().clamp(max=100.0), fits(claims, shown)
        )
        recipe = self.recipe
        rate = recipe.learning_rate * schedule(fraction, recipe.warm_up, recipe.cool_down)
        self.optimisers.step(told + recipe.finding * found + recipe.questions * asked, rate)
        self.steps += 1
        losses = {"contrast": told, "finding": found, "questions": asked}
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _words(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        embedded: Tensor = self.model.text_projection(self.model.text_model(**tokens).pooler_output)
        return embedded

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext()

    def _draw_rows(self) -> list[int]:
        """Rows of the next pairs; every pair comes once before any comes again."""
        wanted = min(self.recipe.batch_pairs, len(self.pool.scenes) // 2)
        if len(self.order) < wanted:
            self.order = list(range(len(self.pool.scenes) // 2))
            self.rng.shuffle(self.order)
        taken, self.order = self.order[:wanted], self.order[wanted:]
        return [row for pair in taken for row in (2 * pair, 2 * pair + 1)]
