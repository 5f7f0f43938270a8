"""Loads a dual encoder, or one of its two towers alone, through transformers.

Imported here where it is used: it takes 100 MB and seconds, and an image tower on a CPU needs none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from pdray.errors import ModelUnavailable

Towers = Literal["both", "text", "image"]

_CLASSES = {
    "clip": "CLIPModel",
    "siglip": "SiglipModel",
    "chinese_clip": "ChineseCLIPModel",
    "metaclip_2": "MetaClip2Model",
}
_PARTS = {"text": ("text_model", "text_projection"), "image": ("vision_model", "visual_projection")}


def family_of(model_type: str) -> Any:
    """transformers' class of both towers, by its config.model_type."""
    import transformers

    return getattr(transformers, _CLASSES[model_type])


def load_towers(folder: Path, model_type: str, towers: Towers, dtype: torch.dtype) -> Any:
    """The model in evaluation mode on the CPU, with its `get_text_features`, `get_image_features`
    or both. ModelUnavailable where weights and config do not belong together.
    """
    family = _without_other_tower(family_of(model_type), towers)
    try:
        with quiet():
            model, found = family.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
    # What a damaged file raises depends on its format: OSError, ValueError, RuntimeError, and
    # safetensors' own error, which is a plain Exception.
    except Exception as error:
        raise ModelUnavailable(
            f"The model in {folder} can't be loaded ({_first_line(error)}): fetch it again."
        ) from error
    missing = sorted(found["missing_keys"])
    if missing:
        raise ModelUnavailable(
            f"The weights in {folder} lack {len(missing)} of the tensors that config.json asks for "
            f"({missing[0]} is the first): fetch the model again."
        )
    return model.eval().requires_grad_(False)


def load_tokenizer(folder: Path) -> Any:
    """The model's own tokenizer; ModelUnavailable where it can't be built."""
    import transformers

    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # As above: each tokenizer class fails in its own way, a missing sentencepiece included.
    except Exception as error:
        raise ModelUnavailable(
            f"The tokenizer in {folder} can't be loaded ({_first_line(error)}): fetch the model "
            "again, or add the package that it names."
        ) from error


def _without_other_tower(base: Any, towers: Towers) -> Any:
    """The model class less one tower, whose weights are then neither read nor held.

    transformers has classes of single towers, but not for all families (Chinese-CLIP has no text
    tower with projection), and they differ in names and outputs.
    """
    if towers == "both":
        return base
    dropped = _PARTS["image" if towers == "text" else "text"]

    def build(self: Any, config: Any, *inputs: Any, **options: Any) -> None:
        base.__init__(self, config, *inputs, **options)
        for part in dropped:
            if hasattr(self, part):
                delattr(self, part)

    ignored = [rf"^{part}\." for part in dropped]
    return type(
        base.__name__,
        (base,),
        {
            "__init__": build,
            "__module__": __name__,
            "_keys_to_ignore_on_load_unexpected": [
                *(base._keys_to_ignore_on_load_unexpected or []),
                *ignored,
            ],
        },
    )


@contextmanager
def quiet() -> Iterator[None]:
    """transformers without its progress bar for the block."""
    from transformers.utils import logging as transformers_logging

    # A progress bar of a quarter of a second would break the one that the run draws.
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
