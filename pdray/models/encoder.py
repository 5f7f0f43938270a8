"""The dual encoder: pixels and texts to unit vectors of one space. Built where it runs."""

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pdray.errors import ModelUnavailable
from pdray.models.batches import run_in_batches
from pdray.models.image_tower import ImageTower
from pdray.models.pages import enlarge
from pdray.models.precision import check_compile, choose, choose_device
from pdray.models.quantised import quantise
from pdray.models.resolve import folder_of
from pdray.models.text_tower import PackedText, packed_text
from pdray.models.threads import Adaptive
from pdray.models.towers import Towers, load_tokenizer, load_towers
from pdray.records import ModelSpec

# On CPUs more than 16 gains no rate, and buffers too large for malloc to keep cost page faults:
# 2 ms an image at 48 for ViT-B/32 in int8, of 30.
_IMAGE_BATCH = {"cpu": 16, "cuda": 256}
_TEXT_BATCH = 64
_CACHED = 16 << 20  # bytes of weights that stay in a core's reach
_ANY = 1 << 30
_TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class DualEncoder:
    """A CLIP-like model, loaded from a spec on the machine that calls it.

    `device` is "auto", "cpu" or torch's name of a GPU; `precision` "auto", "fp32", "bf16", "fp16",
    "int8" (on CPUs of the image tower alone) or "nf4"; `threads` sets torch's CPU threads for the
    process. `towers` loads one side only: the other's weights are neither read nor held. `compile`
    uses torch.compile for images, on GPUs.
    Raises ModelUnavailable where the spec's files are missing, changed or damaged.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int | None = None,
        compile: bool = False,
        towers: Towers = "both",
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        folder = folder_of(spec)
        self.spec = spec
        self.towers = towers
        self.device = torch.device(choose_device(device))
        self.precision = choose(str(self.device), precision)
        if compile:
            check_compile(self.device.type)
        self._images: Callable[[torch.Tensor], torch.Tensor] = self._through_transformers
        self._text: PackedText | None = None
        rest: set[Towers] = {"image", "text"} if towers == "both" else {towers}
        if not self.precision.by_library:
            with torch.inference_mode():
                if "image" in rest:
                    tower = ImageTower(folder, spec, self.precision, self.device)
                    self._images = tower.__call__
                    rest.remove("image")
                if "text" in rest and self.device.type == "cpu":
                    self._text = packed_text(folder, spec, self.precision.dtype)
                    rest -= {"text"} if self._text else set()
            _trim()
            if self._text is not None and self._text.size > _CACHED:
                enlarge()
        self._model = None
        if rest:
            one = "both" if len(rest) > 1 else rest.pop()
            self._model = load_towers(folder, spec.model_type, one, self.precision.dtype)
            if self.precision.by_library:
                quantise(self._model, self.precision.precision, self.precision.dtype)
            self._model.to(self.device)
        self._tokenizer = None if towers == "image" else load_tokenizer(folder)
        self._adaptive = Adaptive(torch.get_num_threads())
        if compile:
            # Twice at most: for the first batch size, then for any.
            self._images = torch.compile(self._images)
        # What memory is known to take, so that no batch fails twice.
        self._image_limit = _ANY
        self._text_limit = _ANY
        # (x / 255 - mean) / std as one multiplication and one addition.
        mean, std = torch.tensor(spec.preprocessing.mean), torch.tensor(spec.preprocessing.std)
        self._scale = (1 / (255 * std)).view(1, 3, 1, 1).to(self.device)
        self._shift = (-mean / std).view(1, 3, 1, 1).to(self.device)

    def encode_pixels(
        self, pixels: NDArray[np.uint8], batch_size: int | None = None
    ) -> NDArray[np.float32]:
        """Embeddings (n, dim), L2-normalised float32, of RGB pixels (n, height, width, 3) uint8.

        The pixels are those that the spec's preprocessing makes. `batch_size` is that of the
        model's batches, chosen for the device where it is None.
        """
        if self.towers == "text":
            raise ValueError("this encoder was loaded with its text tower only")
        prepared = self.spec.preprocessing
        expected = (prepared.height, prepared.width, 3)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            raise ValueError(
                f"pixels are {pixels.dtype} {pixels.shape}, expected uint8 (n, *{expected})"
            )
        batch = self.image_batch(batch_size)

        def run(start: int, stop: int) -> torch.Tensor:
            return self._encode_batch(pixels[start:stop])

        with torch.inference_mode():
            results, worked = run_in_batches(len(pixels), batch, run)
        if worked < batch:
            self._image_limit = worked
        return self._collect(results)

    def image_batch(self, batch_size: int | None = None) -> int:
        """Images that go through together: as many as asked for, or as suit the device; fewer once
        its memory has run short.
        """
        return min(batch_size or _IMAGE_BATCH.get(self.device.type, 16), self._image_limit)

    def gpu_bytes(self) -> int:
        """The most that this process has held of its GPU; 0 without one."""
        return torch.cuda.max_memory_reserved(self.device) if self.device.type == "cuda" else 0

    def warm_up(self) -> None:
        """Builds what the first batch of images would have to wait for: kernels and buffers."""
        prepared, batch = self.spec.preprocessing, _IMAGE_BATCH.get(self.device.type, 16)
        self.encode_pixels(np.zeros((batch, prepared.height, prepared.width, 3), np.uint8))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings (n, dim), L2-normalised float32; texts past the model's length are cut."""
        if self._tokenizer is None:
            raise ValueError("this encoder was loaded with its image tower only")
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))

        def run(start: int, stop: int) -> torch.Tensor:
            some = [texts[i] for i in order[start:stop]]
            if self._text is not None:
                return self._adaptive(len(some), lambda: self._packed(some))
            inputs = self._tokenize(some)
            return self._of_model.get_text_features(**inputs).pooler_output.float()  # type: ignore[no-any-return]

        batch = min(_TEXT_BATCH, self._text_limit)
        with torch.inference_mode():
            results, worked = run_in_batches(len(texts), batch, run)
        if worked < batch:
            self._text_limit = worked
        vectors = self._collect(results)
        restored = np.empty_like(vectors)
        restored[order] = vectors
        return restored

    def _packed(self, texts: list[str]) -> torch.Tensor:
        assert self._text is not None
        ids = self._ids(texts)
        by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        found = self._text([ids[i] for i in by_length])
        restored = torch.empty_like(found)
        restored[by_length] = found
        return restored

    def _encode_batch(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        # torch warns of numpy's read-only arrays, which Arrow and Ray hand out: those are copied.
        uploaded = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)
        return self.features(uploaded)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features (n, dim) float32, not normalised, of pixels (n, height, width, 3) uint8, both on
        the device.
        """
        with torch.inference_mode():
            return self._images(pixels)

    def _through_transformers(self, pixels: torch.Tensor) -> torch.Tensor:
        # A view, not a copy: (n, h, w, 3) uint8 is channels-last memory of (n, 3, h, w).
        values = (pixels.permute(0, 3, 1, 2) * self._scale + self._shift).to(self.precision.dtype)
        return self._of_model.get_image_features(pixel_values=values).pooler_output.float()  # type: ignore[no-any-return]

    @property
    def _of_model(self) -> Any:
        assert self._model is not None
        return self._model

    def _ids(self, texts: list[str]) -> list[list[int]]:
        assert self._tokenizer is not None
        found = self._tokenizer(texts, truncation=True, max_length=self._most_tokens)
        return found["input_ids"]  # type: ignore[no-any-return]

    @property
    def _most_tokens(self) -> int:
        assert self._tokenizer is not None
        if self._text is not None:
            places = self._text.most_tokens
        else:
            places = int(self._of_model.config.text_config.max_position_embeddings)
        return min(places, int(self._tokenizer.model_max_length))

    def _tokenize(self, texts: list[str]) -> dict[str, torch.Tensor]:
        assert self._tokenizer is not None
        limit = int(self._of_model.config.text_config.max_position_embeddings)
        if self.spec.model_type == "siglip":
            # Trained on lower-case text padded to full length without a mask. Gemma's tokenizer,
            # which SigLIP 2 borrows, keeps upper case where its files name Gemma's class.
            texts, padding, mask = [text.lower() for text in texts], "max_length", False
        else:
            limit = self._most_tokens
            self._tokenizer.padding_side = "right"
            padding, mask = "longest", True
        encoded: Any = self._tokenizer(
            texts,
            padding=padding,
            truncation=True,
            max_length=limit,
            return_attention_mask=mask,
            return_tensors="pt",
        )
        return {key: encoded[key].to(self.device) for key in _TEXT_INPUTS if key in encoded}

    def _collect(self, results: list[torch.Tensor]) -> NDArray[np.float32]:
        if not results:
            return np.zeros((0, self.spec.dim), np.float32)
        vectors = torch.nn.functional.normalize(torch.cat(results), dim=-1).cpu().numpy()
        if vectors.shape[1] != self.spec.dim or not np.isfinite(vectors).all():
            raise ModelUnavailable(
                f"The model {self.spec.name} gives no usable vectors of {self.spec.dim} numbers in "
                f"{self.precision.precision}: use precision fp32, or another model."
            )
        return np.asarray(vectors, np.float32)


def _trim() -> None:
    """Gives what loading needed back to the system: 60 MB a process for ViT-B/32, with glibc."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
