"""BLIP: pixels to captions. Built where it runs."""

from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from pdray.errors import ModelUnavailable
from pdray.models.batches import run_in_batches
from pdray.models.precision import choose, choose_device
from pdray.models.quantised import quantise
from pdray.models.resolve import folder_of
from pdray.models.towers import load_tokenizer, quiet
from pdray.records import CaptionerSpec

_BATCH = {"cpu": 16, "cuda": 64}
_ANY = 1 << 30


class Blip:
    """A BLIP captioner, loaded from a spec on the machine that calls it.

    `device` and `threads` are as the encoder's; `precision` too, except that int8 on a CPU, which
    is a rewritten image tower, becomes auto. Raises ModelUnavailable where its files are missing,
    changed or damaged.
    """

    def __init__(
        self,
        spec: CaptionerSpec,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        folder = folder_of(spec)
        self.spec = spec
        self.device = torch.device(choose_device(device))
        rewritten = precision == "int8" and self.device.type == "cpu"
        self.precision = choose(str(self.device), "auto" if rewritten else precision)
        self._model = _load(folder, self.precision.dtype)
        if self.precision.by_library:
            quantise(self._model, self.precision.precision, self.precision.dtype)
        self._model.to(self.device)
        self._tokenizer = load_tokenizer(folder)
        self._limit = _ANY  # what memory is known to take, so that no batch fails twice
        mean, std = torch.tensor(spec.preprocessing.mean), torch.tensor(spec.preprocessing.std)
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1).to(self.device)
        self._shift = (-mean / std).view(1, 3, 1, 1).to(self.device)

    def caption(self, pixels: NDArray[np.uint8], batch_size: int | None = None) -> list[str]:
        """A caption for each picture (n, height, width, 3). A batch that runs out of the GPU's
        memory is halved and tried again."""
        batch = min(batch_size or _BATCH.get(self.device.type, 16), self._limit)

        def run(start: int, stop: int) -> list[str]:
            return self._caption_batch(pixels[start:stop])

        with torch.inference_mode():
            found, worked = run_in_batches(len(pixels), batch, run)
        if worked < batch:
            self._limit = worked
        return [caption for some in found for caption in some]

    def _caption_batch(self, pixels: NDArray[np.uint8]) -> list[str]:
        uploaded = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)
        values = uploaded.permute(0, 3, 1, 2) * self._scale + self._shift
        ids = self._model.generate(
            pixel_values=values.to(self.precision.dtype),
            num_beams=self.spec.beams,
            do_sample=False,
            max_new_tokens=self.spec.longest,
        )
        texts = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def _load(folder: Any, dtype: torch.dtype) -> Any:
    try:
        with quiet():
            model, found = transformers.BlipForConditionalGeneration.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # as in towers.py: each format's damage raises its own
        said = str(error).strip().splitlines()
        why = said[0].rstrip(".:") if said else type(error).__name__
        raise ModelUnavailable(
            f"The model in {folder} can't be loaded ({why}): fetch it again."
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise ModelUnavailable(
            f"The weights in {folder} lack {len(missing)} of the tensors that config.json asks for "
            f"({missing[0]} is the first): fetch the model again."
        )
    return model.eval().requires_grad_(False)
