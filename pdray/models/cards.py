"""What GPUs could do with a model that was never run on them: arithmetic from its configuration and
from the makers' data sheets. No torch.
"""

from collections.abc import Mapping
from typing import cast

from pdray.models import layout
from pdray.models.resolve import folder_of
from pdray.records import ModelSpec

# Dense products of two-byte numbers with sums in four bytes, TFLOP/s: NVIDIA's data sheets of each
# card (without sparsity, where a sheet gives both). T4 and V100 have fp16 alone.
TFLOPS: Mapping[str, float] = {
    "t4": 65,
    "v100": 125,
    "a10g": 70,
    "a10": 125,
    "l4": 121,
    "l40s": 362,
    "a100": 312,
    "h100": 989,
    "h200": 989,
    "b200": 2250,
    "rtx3090": 71,
    "rtx4090": 165,
}

# The share of it that a transformer's forward pass reaches: large models in large batches. A model
# below some 10 GFLOP an image waits for kernels to start and reaches less.
EFFICIENCY = (0.3, 0.45, 0.6)  # low, likely, high


def flops_of_an_image(spec: ModelSpec) -> float | None:
    """Floating-point operations of one image through the image tower, a multiplication and an
    addition counted as two; None where the configuration is no vision transformer's.
    """
    config = layout.read_json(folder_of(spec) / layout.CONFIG)
    vision = config.get("vision_config")
    if not isinstance(vision, Mapping):
        return None
    return transformer_flops(cast(Mapping[str, object], vision))


def transformer_flops(vision: Mapping[str, object]) -> float | None:
    """The same of a `vision_config`: the products with weights, and those of attention."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "image_size", "patch_size")
    numbers = [vision.get(name) for name in names]
    if not all(isinstance(number, int) and number > 0 for number in numbers):
        return None
    width, inner, layers, edge, patch = cast(list[int], numbers)
    tokens = (edge // patch) ** 2 + 1
    weights = tokens * (4 * width * width + 2 * width * inner)
    attention = 2 * tokens * tokens * width
    patches = tokens * 3 * patch * patch * width
    return 2.0 * (layers * (weights + attention) + patches)
