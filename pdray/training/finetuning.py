"""Teaches a CLIP what people say of their own images, and writes a folder that `--model` takes.

Contrastive, as it was trained (Radford et al. 2021), over pairs of the user's. What it must not
forget is half of each batch where captions of that are given too ("rehearsal"). Judged on images
held out, before, meanwhile and after; the best state is kept.
"""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoTokenizer, CLIPModel

from pdray.errors import UsageError
from pdray.evaluation.metrics import alike, ranks
from pdray.evaluation.reading import Captioned
from pdray.models.precision import choose, choose_device
from pdray.models.resolve import folder_of
from pdray.models.towers import quiet
from pdray.records import ModelSpec
from pdray.training.group import Alone, Group
from pdray.training.loop import CHECKPOINT, Limits, Progress, run, schedule
from pdray.training.objective import contrast_loss
from pdray.training.pairs import Draw, Pairs, load_pairs, split
from pdray.training.unfinished import MARK, claim, identity

DEFAULT_STEPS = 1000
ABOUT = "finetuning.json"  # what was measured, in the new model's folder
_PIXELS = "pictures-{}.npy"
_WEIGHTS = ("model", "pytorch_model")
# What the rehearsed may lose, in parts of R@1, before a state counts as worse.
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
    held_out: float = 0.1
    looks: int = 10  # at the held-out images, over the whole
    patience: int = 4  # looks without gain that end it


@dataclass(frozen=True, slots=True)
class Judged:
    """R@1 text to image over held-out images: of what is taught, and of what is rehearsed."""

    taught: float
    rehearsed: float | None

    def better_than(self, other: "Judged", start: "Judged") -> bool:
        """A gain counts only where what is rehearsed keeps what it had at the start."""
        return self._score(start) > other._score(start)

    def _score(self, start: "Judged") -> float:
        if self.rehearsed is None or start.rehearsed is None:
            return self.taught
        return self.taught - 10 * max(0.0, start.rehearsed - self.rehearsed - _LOSS)


def finetune(
    spec: ModelSpec,
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
    """Trains, writes the model's folder into `out`, and returns what was measured.

    Beside the model lie the decoded pictures and a checkpoint, from which the same call goes on
    after a kill; both go at the end. Of a `group` each process calls this, after one called
    `prepare`; `tuning.batch` is that of all of them, and the first one judges and writes.
    UsageError for a model that isn't CLIP's kind, and where `out` holds anything but an unfinished
    call of the same pairs, model, seed and tuning.
    """
    if steps is None and minutes is None:
        steps = DEFAULT_STEPS
    limits = Limits(steps, minutes)
    if spec.model_type != "clip":
        raise UsageError(f"{spec.name} is of type {spec.model_type}: only CLIP can be fine-tuned.")
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    group = group or Alone()
    read_in = prepare(spec, read, out, rehearse, seed, tuning)
    pairs = [split(one, tuning.held_out, seed) for one in read_in]
    tuner = Tuner(spec, pairs, seed, device, tuning, limits, group)
    run(tuner, out, limits, on_progress, agree=group.tell, writes=group.rank == 0)
    group.wait()
    if group.rank == 0:
        tuner.save(out)
        for leftover in (*out.glob(_PIXELS.format("*")), out / CHECKPOINT, out / MARK):
            leftover.unlink(missing_ok=True)
    group.wait()
    return tuner.figures()


def prepare(
    spec: ModelSpec,
    read: Captioned,
    out: Path,
    rehearse: Captioned | None,
    seed: int,
    tuning: Tuning,
) -> list[Pairs]:
    """Takes the folder and decodes the images into it, unless that is done; UsageError as
    `finetune`.
    """
    claim(out, identity(spec, [read, rehearse], seed, asdict(tuning)))
    return [
        load_pairs(one, spec.preprocessing, out / _PIXELS.format(name))
        for name, one in (("taught", read), ("rehearsed", rehearse))
        if one is not None
    ]


class Tuner:
    """One fine-tuning: the model, what it learns from, what it is judged by."""

    def __init__(
        self,
        spec: ModelSpec,
        pairs: Sequence[tuple[Pairs, Pairs]],
        seed: int,
        device: str,
        tuning: Tuning,
        limits: Limits,
        group: Group,
    ) -> None:
        self._group = group
        self._spec, self._pairs, self._tuning, self._limits = spec, pairs, tuning, limits
        self._device = torch.device(choose_device(device))
        self._bf16 = choose(str(self._device)).precision == "bf16"
        self._folder = folder_of(spec)
        with quiet():
            model = CLIPModel.from_pretrained(self._folder, dtype=torch.float32)
        if self._device.type == "cpu":
            model.set_attn_implementation("eager")  # as in builtin.py
        self._tokenizer = AutoTokenizer.from_pretrained(self._folder)
        self._model = (_with_adapters(model, tuning.lora) if tuning.lora else model).to(
            self._device
        )
        learning = [p for p in self._model.parameters() if p.requires_grad]
        self._rate = tuning.learning_rate or _usual_rate(model, tuning.lora)
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
            "judged": [[one.taught, one.rehearsed] for one in (self._start, self._best)],
            "optimiser": self._optimiser.state_dict(),
            "counts": [self.steps, self._looked, self._stale],
            "seconds": self.seconds,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Which pictures come next is drawn anew."""
        self._model.load_state_dict(state["model"])
        self._best_state = state["best"]
        self._start, self._best = (Judged(*one) for one in state["judged"])
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
        names = ("taught", "rehearsed")
        losses: dict[str, float] = {}
        for name, (pairs, _), draw in zip(names, self._pairs, self._draws, strict=False):
            loss = self._loss(pairs, self._even(draw(tuning.batch // len(self._pairs))))
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

    def _loss(self, pairs: Pairs, texts: list[int]) -> Tensor:
        own, group = self._group.part(texts), self._group
        pixels = pairs.pixels[np.asarray([pairs.of[at] for at in own])]
        with self._precision():
            pictures = group.whole(self._pictures(pixels))
            words = group.whole(self._words([pairs.texts[at] for at in own]))
        scale = self._model.logit_scale.exp().clamp(max=100.0)
        # Every process has all of its gradient, and they are added up.
        scale = scale / group.size + (scale - scale / group.size).detach()
        also = torch.from_numpy(pairs.also_right(texts)).to(self._device)
        return contrast_loss(pictures, words, scale, also)

    def _even(self, texts: list[int]) -> list[int]:
        """As many as the processes can share alike."""
        return texts[: len(texts) - len(texts) % self._group.size]

    def _pictures(self, pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
        rule = self._spec.preprocessing
        mean, std = (
            torch.tensor(one, device=self._device).view(1, 3, 1, 1) for one in (rule.mean, rule.std)
        )
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self._device)
        values = (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std
        features = self._model.get_image_features(pixel_values=values).pooler_output
        return functional.normalize(features.float(), dim=-1)

    def _words(self, texts: Sequence[str]) -> Tensor:
        longest = int(self._model.config.text_config.max_position_embeddings)
        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._device)
        features = self._model.get_text_features(**tokens).pooler_output
        return functional.normalize(features.float(), dim=-1)

    def _precision(self) -> AbstractContextManager[object]:
        if not self._bf16:
            return nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16)

    def _judge(self) -> Judged:
        first = self._group.rank == 0
        found = [self._group.tell(self._recall(held) if first else 0.0) for _, held in self._pairs]
        return Judged(found[0], found[1] if len(found) > 1 else None)

    def _recall(self, held: Pairs) -> float:
        self._model.eval()
        with torch.inference_mode(), self._precision():
            pictures = [
                self._pictures(held.pixels[at : at + 128]).cpu().numpy()
                for at in range(0, len(held.pixels), 128)
            ]
            words = [
                self._words(held.texts[at : at + 128]).cpu().numpy()
                for at in range(0, len(held.texts), 128)
            ]
        self._model.train()
        right = [sorted({held.of[at] for at in same}) for same in alike(held.texts)]
        found = ranks(np.concatenate(words), np.concatenate(pictures), right)
        return float(np.mean([row[0] == 0 for row in found]))

    def figures(self) -> dict[str, Any]:
        """What was measured on the held-out images, before and after."""
        found: dict[str, Any] = {
            "steps": self.steps,
            "taught_before": self._start.taught,
            "taught_after": self._best.taught,
            "held_out": len(self._pairs[0][1].pixels),
        }
        if self._start.rehearsed is not None:
            found["rehearsed_before"] = self._start.rehearsed
            found["rehearsed_after"] = self._best.rehearsed
        return found

    def save(self, out: Path) -> None:
        """Writes the best state as a folder that loads like the model it comes from."""
        self._model.load_state_dict(self._best_state)
        model = self._model.merge_and_unload() if self._tuning.lora else self._model
        for path in self._folder.iterdir():
            kept = not path.name.startswith(_WEIGHTS) and path.name != "README.md"
            if path.is_file() and kept:
                shutil.copy(path, out)
        with quiet():
            model.save_pretrained(out)
        for weights in out.glob("*.safetensors"):  # written for their owner alone
            weights.chmod((out / "config.json").stat().st_mode & 0o777)
        about = {"from": self._spec.name, "fingerprint": self._spec.fingerprint, **self.figures()}
        (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def _usual_rate(model: CLIPModel, lora: int | None) -> float:
    """1e-5 for ViT-B/32, as is usual, and more for smaller models and for adapters."""
    count = sum(parameter.numel() for parameter in model.parameters())
    return float(1e-5 * (151e6 / count) ** 0.75) * (10 if lora else 1)


def _with_adapters(model: CLIPModel, rank: int) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise UsageError(
            "LoRA needs peft: pip install 'pdray[finetune]', or leave --lora out."
        ) from error
    layers = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    return get_peft_model(model, config)
