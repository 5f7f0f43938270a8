"""What learns in a fine-tuning: a model on a device. Its kind says what is lost over a batch, and
how it is judged."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdray.errors import UsageError
from pdray.models.precision import choose, choose_device
from pdray.models.towers import quiet
from pdray.records import Preprocessing
from pdray.training.group import Alone, Group
from pdray.training.pairs import Pairs

_WEIGHTS = ("model", "pytorch_model")


@dataclass(frozen=True, slots=True)
class Mark:
    """How well it did on pairs held out: a score, the higher the better, and figures to tell."""

    score: float
    figures: dict[str, float]


class Pupil(ABC):
    """A model in fp32 on its device, adapters of rank `lora` included where they learn in the
    weights' place. `device` auto is the GPU where there is one; `bf16` None: where the device is
    faster so. UsageError where adapters are asked for and peft is missing.
    """

    layers: ClassVar[Sequence[str]]  # that adapters go to, by the last part of their names

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        folder: Path,
        rule: Preprocessing,
        *,
        device: str = "auto",
        lora: int | None = None,
        bf16: bool | None = None,
    ) -> None:
        self.group: Group = Alone()  # with whom it learns
        self.tokenizer = tokenizer
        self._folder, self._rule, self._lora = folder, rule, lora
        self.device = torch.device(choose_device(device))
        self._bf16 = choose(str(self.device)).precision == "bf16" if bf16 is None else bf16
        self.size = sum(parameter.numel() for parameter in model.parameters())
        learning = _with_adapters(model, lora, self.layers) if lora else model
        self.model = learning.to(self.device).train()

    @abstractmethod
    def loss(self, pairs: Pairs, texts: Sequence[int]) -> Tensor:
        """Of a batch: those texts and their images, no image twice. Gradients are added up over the
        group.
        """

    @abstractmethod
    def judge(self, held: Pairs) -> Mark:
        """How well it does on these."""

    def save(self, out: Path) -> None:
        """Writes a folder that loads like the model it comes from; adapters are added for good."""
        model = self.model.merge_and_unload() if self._lora else self.model
        for path in self._folder.iterdir():
            kept = not path.name.startswith(_WEIGHTS) and path.name != "README.md"
            if path.is_file() and kept:
                shutil.copy(path, out)
        with quiet():
            model.save_pretrained(out)
        for weights in out.glob("*.safetensors"):  # written for their owner alone
            weights.chmod((out / "config.json").stat().st_mode & 0o777)

    def values(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Pictures (n, height, width, 3) as the model takes them."""
        mean, std = (
            torch.tensor(one, device=self.device).view(1, 3, 1, 1)
            for one in (self._rule.mean, self._rule.std)
        )
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device)
        return (batch.permute(0, 3, 1, 2).float() / 255 - mean) / std

    def precision(self) -> AbstractContextManager[object]:
        """In which the forward pass runs."""
        return torch.autocast(self.device.type, torch.bfloat16) if self._bf16 else nullcontext()

    @contextmanager
    def judging(self) -> Iterator[None]:
        """The model as it is used, not as it learns."""
        self.model.eval()
        with torch.inference_mode(), self.precision():
            yield
        self.model.train()


def _with_adapters(model: Any, rank: int, layers: Sequence[str]) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise UsageError(
            "LoRA needs peft: pip install 'pdray[finetune]', or leave --lora out."
        ) from error
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=list(layers))
    return get_peft_model(model, config)
