"""What a model takes before it is loaded, from its files alone: weights, and what a batch of images
holds at once while it passes. No torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pdray.models import layout
from pdray.models.inventory import weights_of
from pdray.models.resolve import folder_of
from pdray.records import CaptionerSpec, ModelSpec

_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 2, "nf4": 2}  # of one number between the layers
# Of a GPU, what the driver and kernels hold, and what nobody should count on.
_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by number format: `weights` of all of the model, `activations` of a batch of images."""

    weights: Mapping[str, int]
    activations: Mapping[str, int]

    def total(self, precision: str) -> int:
        """Both together."""
        return self.weights[precision] + self.activations[precision]


def need(folder: Path, batch: int) -> Need:
    """What the model in a folder takes with a batch of so many images."""
    config = layout.read_json(folder / layout.CONFIG)
    part = config.get("vision_config")
    vision = cast(Mapping[str, object], part) if isinstance(part, Mapping) else {}
    numbers = batch * numbers_of_an_image(vision)
    # Weights that are rounded to bytes compute in two-byte numbers between their products.
    return Need(weights_of(folder), {name: size * numbers for name, size in _BYTES.items()})


def numbers_of_an_image(vision: Mapping[str, object]) -> int:
    """How many numbers of one image a vision transformer holds at its widest place: the stream
    beside it, and the larger of attention (queries, keys, values and scores) and the wide layer
    before and after its activation.
    """
    # What a config leaves out, as ViT-B/32 has it: the default of every class that pdray knows.
    width, inner = _number(vision, "hidden_size", 768), _number(vision, "intermediate_size", 3072)
    heads = _number(vision, "num_attention_heads", 12)
    edge, patch = _number(vision, "image_size", 224), _number(vision, "patch_size", 32)
    tokens = (edge // max(1, patch)) ** 2 + 1
    attention = 4 * tokens * width + 2 * heads * tokens * tokens
    return 3 * edge * edge + 2 * tokens * width + max(attention, 2 * tokens * inner)


def needs(*specs: ModelSpec | CaptionerSpec, batch: int = 64) -> list[int]:
    """Bytes that each takes on a GPU, in the two-byte numbers that GPUs compute in. What is no
    safetensors is taken for its files' size, and a class of someone else's for nothing.
    """
    found = []
    for spec in specs:
        if ":" in spec.location and not Path(spec.location).exists():
            found.append(0)
            continue
        folder = folder_of(spec)
        sizes = need(folder, batch)
        files = sum(path.stat().st_size for path in layout.weights(folder))
        found.append(sizes.weights.get("bf16", files) + sizes.activations["bf16"])
    return found


def fit(memory: int, *needs: int) -> bool:
    """Whether all of these fit into a GPU's memory at once."""
    return sum(needs) <= _SHARE * memory


def _number(config: Mapping[str, object], name: str, usual: int) -> int:
    found = config.get(name)
    return found if isinstance(found, int) and found > 0 else usual
