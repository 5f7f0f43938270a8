"""Trains the built-in model from nothing on rendered scenes, and writes its folder."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPModel, PreTrainedTokenizerFast

from pdray.errors import UsageError
from pdray.log import get
from pdray.samples.captions import full_caption, short_caption
from pdray.samples.scene import Scene, scenes
from pdray.training.card import write_card
from pdray.training.evaluation import evaluate
from pdray.training.network import EDGE, LONGEST, make_config, save_network
from pdray.training.objective import Questions, answers, contrast_loss, truths
from pdray.training.pictures import STREAM, Pool, make_pool
from pdray.training.tokenizer import END, PAD, START, save_tokenizer, train_tokenizer

DEFAULT_STEPS = 2000
# The words of the tokenizer come from this many captions.
TOKENIZER_CAPTIONS = 20_000
CHECKPOINT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How training goes. `pairs` pictures are drawn twice over before it starts."""

    pairs: int = 24_000
    batch_pairs: int = 112
    learning_rate: float = 1.4e-3
    weight_decay: float = 0.05
    warm_up: float = 0.04  # part of the whole
    short_captions: float = 0.25
    questions: float = 0.4  # weight of their loss beside the contrast's
    evaluation_scenes: int = 1000
    evaluation_pairs: int = 300  # of each attribute


@dataclass(frozen=True, slots=True)
class Progress:
    """How far training is: `fraction` from 0 to 1, `loss` of the last step, seconds since start."""

    step: int
    fraction: float
    loss: float
    seconds: float


def train_builtin(
    out: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    minutes: float | None = None,
    threads: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    recipe: Recipe = Recipe(),
) -> dict[str, float]:
    """Trains, writes the model's folder and its card into `out`, and returns the figures measured.

    It ends after `steps`, or after `minutes` of wall time (drawing and evaluation come on top),
    whichever is first; with neither, after DEFAULT_STEPS. Steps alone repeat a run of the same
    seed, machine and threads. A loadable state is written every five minutes on the way. The
    process that calls this with `threads` over 1 must be importable by a child (a guarded main).
    UsageError where steps or minutes are not positive.
    """
    if (steps is not None and steps < 1) or (minutes is not None and minutes <= 0):
        raise UsageError(f"Training can't take {steps} steps or {minutes} minutes; ask for more.")
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = _make_tokenizer(seed, out)
    pool = make_pool(seed, recipe.pairs, EDGE, threads or torch.get_num_threads())
    get("training").info("drew %d pictures", len(pool.scenes))
    trainer = Trainer(tokenizer, pool, recipe, seed)
    taken = trainer.run(out, steps, minutes, on_progress)
    save_network(trainer.model, out)
    figures = evaluate(out, recipe.evaluation_scenes, pairs=recipe.evaluation_pairs)
    figures["steps"] = float(taken)
    write_card(
        out,
        figures,
        command=_command(seed, steps, minutes),
        seed=seed,
        pictures=len(pool.scenes),
        batch=recipe.batch_pairs * 2,
        scenes=recipe.evaluation_scenes,
        pairs=recipe.evaluation_pairs,
        parameters=sum(p.numel() for p in trainer.model.parameters()),
    )
    return figures


def _command(seed: int, steps: int | None, minutes: float | None) -> str:
    limits = f" --steps {steps}" if steps else ""
    limits += f" --minutes {minutes:g}" if minutes else ""
    return f"pdray models train-builtin --seed {seed}{limits}"


def _make_tokenizer(seed: int, out: Path) -> PreTrainedTokenizerFast:
    rng = random.Random(f"{STREAM}:tokenizer:{seed}")
    source = islice(scenes(seed, f"{STREAM}:tokenizer"), TOKENIZER_CAPTIONS)
    save_tokenizer(train_tokenizer(full_caption(s, rng) for s in source), out, longest=LONGEST)
    return PreTrainedTokenizerFast.from_pretrained(out)


class Trainer:
    """One training run: the model, its optimiser and the pictures it learns from."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, pool: Pool, recipe: Recipe, seed: int
    ) -> None:
        self.tokenizer, self.pool, self.recipe = tokenizer, pool, recipe
        ids = {name: tokenizer.convert_tokens_to_ids(t) for name, t in TOKENS.items()}
        self.model = CLIPModel(make_config(len(tokenizer), **ids)).train()
        self.questions = Questions(self.model.config.vision_config.hidden_size)
        self.rng = random.Random(f"{STREAM}:steps:{seed}")
        self.answers = torch.tensor([answers(scene) for scene in pool.scenes])
        self.order: list[int] = []
        self.optimiser = torch.optim.AdamW(
            _groups([self.model, self.questions], recipe.weight_decay), lr=0.0, betas=(0.9, 0.98)
        )

    def run(
        self,
        out: Path,
        steps: int | None,
        minutes: float | None,
        on_progress: Callable[[Progress], None] | None,
    ) -> int:
        """Steps until `steps` or `minutes` are used up; returns the number taken."""
        start = saved = time.monotonic()
        step, fraction = 0, 0.0
        while fraction < 1.0:
            loss = self.step(fraction)
            step += 1
            now = time.monotonic()
            by_steps = step / steps if steps else 0.0
            by_time = (now - start) / (minutes * 60) if minutes else 0.0
            fraction = min(1.0, max(by_steps, by_time))
            if now - saved > CHECKPOINT_SECONDS:
                save_network(self.model, out)
                saved = now
            if on_progress is not None:
                on_progress(Progress(step, fraction, loss, now - start))
        return step

    def step(self, fraction: float) -> float:
        """One batch; `fraction` of the run, 0 to 1, sets the learning rate. Returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * _schedule(fraction, self.recipe.warm_up)
        rows = self._draw_rows()
        shown = [self.pool.scenes[row] for row in rows]
        captions, claims = self._caption(shown)
        words = self.tokenizer(captions, padding=True, return_tensors="pt")
        pooled = self.model.vision_model(pixel_values=self._pixels(rows)).pooler_output
        pictures = functional.normalize(self.model.visual_projection(pooled), dim=-1)
        texts = self.model.text_model(**words).pooler_output
        texts = functional.normalize(self.model.text_projection(texts), dim=-1)
        scale = self.model.logit_scale.exp().clamp(max=100.0)
        loss = contrast_loss(pictures, texts, scale, truths(claims, shown))
        loss = loss + self.recipe.questions * self.questions(pooled, self.answers[rows])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return float(loss.detach())

    def _draw_rows(self) -> list[int]:
        """Rows of the next pairs; every pair comes once before any comes again."""
        wanted = min(self.recipe.batch_pairs, len(self.pool.scenes) // 2)
        if len(self.order) < wanted:
            self.order = list(range(len(self.pool.scenes) // 2))
            self.rng.shuffle(self.order)
        taken, self.order = self.order[:wanted], self.order[wanted:]
        return [row for pair in taken for row in (2 * pair, 2 * pair + 1)]

    def _caption(self, shown: list[Scene]) -> tuple[list[str], list[frozenset[str] | None]]:
        captions: list[str] = []
        claims: list[frozenset[str] | None] = []
        for scene in shown:
            if self.rng.random() < self.recipe.short_captions:
                words, claim = short_caption(scene, self.rng)
                captions.append(words)
                claims.append(claim)
            else:
                captions.append(full_caption(scene, self.rng))
                claims.append(None)
        return captions, claims

    def _pixels(self, rows: list[int]) -> Tensor:
        """The pictures as (batch, 3, edge, edge) from -1 to 1, moved by up to two pixels and of
        slightly other contrast and brightness each time."""
        pixels = torch.from_numpy(self.pool.pixels[np.asarray(rows)])
        batch = pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        gain = torch.empty(len(rows), 1, 1, 1).uniform_(0.9, 1.1)
        lift = torch.empty(len(rows), 1, 1, 1).uniform_(-0.08, 0.08)
        batch = batch.mul_(gain).add_(lift).clamp_(-1.0, 1.0)
        padded = functional.pad(batch, (2, 2, 2, 2), mode="reflect")
        across, down = self.rng.randrange(5), self.rng.randrange(5)
        edge = batch.shape[-1]
        return padded[:, :, down : down + edge, across : across + edge].contiguous()


TOKENS = {"pad": PAD, "end": END, "start": START}


def _schedule(fraction: float, warm_up: float) -> float:
    """Linear warm-up, then half a cosine down to one hundredth."""
    if fraction < warm_up:
        return max(fraction, 1e-3) / warm_up
    along = (fraction - warm_up) / (1.0 - warm_up)
    return 0.01 + 0.99 * 0.5 * (1.0 + float(np.cos(np.pi * along)))


def _groups(modules: list[nn.Module], decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices alone, as is usual: not for biases, norms and the temperature."""
    parameters = [p for module in modules for p in module.parameters()]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
