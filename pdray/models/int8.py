"""8-bit image towers on CPUs with VNNI: twice bf16's rate of multiplication, four times fp32's.

Weights are rounded once, one scale an output channel; activations as they come, one scale a token
(Yao et al., ZeroQuant, 2022), so that an image's vector does not depend on its batch. Before that
each channel's range is moved from activations into weights, which changes nothing in exact
arithmetic (Xiao et al., SmoothQuant, 2023): a few channels of a trained transformer are tens of
times as large as the rest, and one scale for all would leave the rest few of the 256 steps.
Their ranges come from pictures of noise that run through the tower once: which channels are large
is a matter of the weights far more than of the picture.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pdray.models.fused import Product, fuse

_MIDDLE = 128  # the zero of unsigned activations: VNNI multiplies unsigned by signed
_STEPS = 127
_SMOOTHING = 0.5  # SmoothQuant's alpha: the share of a channel's range that the weights take over
_PICTURES = 8


def quantise(model: Any, dtype: torch.dtype, mean: Iterable[float], std: Iterable[float]) -> None:
    """Makes the image tower of a model in fp32 an 8-bit one, in place; `dtype` is what it computes
    in between products. As after `fuse` it takes uint8 pixels, not normalised.
    """
    convolution = model.vision_model.embeddings.patch_embedding
    _smooth(model, _ranges(model, convolution.in_channels))
    fuse(model, dtype, mean, std, _prepare)


def _rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 of the same shape, round(x / scale) + 128, and the scales (rows, 1)."""
    if x.dtype == torch.bfloat16:
        # The largest magnitude by its bits: an eighth of the time of abs and amax in bf16.
        largest = (x.view(torch.int16) & 0x7FFF).amax(-1, keepdim=True).view(x.dtype).float()
    else:
        largest = x.abs().amax(-1, keepdim=True)
    # One step is kept free: bf16 rounds 127.5 up, and 128 would wrap around to -128.
    factor = ((_STEPS - 1) / largest.clamp_min(1e-12)).to(x.dtype)
    steps = x.mul(factor).round_().to(torch.int8)
    return steps.view(torch.uint8).bitwise_xor_(_MIDDLE), factor.float().reciprocal().to(x.dtype)


def _prepare(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    """The product in 8 bits: weights rounded with a scale an output channel, packed for the CPU."""
    scale = weight.abs().amax(1).clamp_min(1e-12) / _STEPS
    zero = torch.zeros(len(weight), dtype=torch.int32)
    steps = (weight / scale[:, None]).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(steps, None)
    apply, added = torch.ops.onednn.qlinear_pointwise, bias.to(dtype)

    def product(x: Tensor) -> Tensor:
        rows, factor = _rounded(x)
        found: Tensor = apply(
            rows, 1.0, _MIDDLE, packed, scale, zero, None, 1.0, 0, dtype, "none", [], ""
        )
        return found.mul_(factor).add_(added)

    return product


def _ranges(model: Any, channels: int) -> dict[nn.Module, Tensor]:
    """The largest magnitude of each input channel of each layer, over pictures of noise."""
    found: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found[layer] = inputs[0].abs().flatten(0, -2).amax(0)

    watched = [
        part
        for layer in model.vision_model.encoder.layers
        for part in (layer.self_attn.q_proj, layer.self_attn.out_proj, layer.mlp.fc1)
    ]
    hooks = [part.register_forward_pre_hook(note) for part in watched]
    try:
        model.get_image_features(pixel_values=_noise(model.config.vision_config, channels))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _noise(config: Any, channels: int) -> Tensor:
    """Pictures (n, 3, side, side) of noise on several scales, about as bright as photographs."""
    generator = torch.Generator().manual_seed(0)
    side = int(config.image_size)
    total = torch.zeros(_PICTURES, channels, side, side)
    for scale in (1, 4, 16, 64):
        small = torch.randn(_PICTURES, channels, *[side // scale + 1] * 2, generator=generator)
        total += interpolate(small, size=(side, side), mode="bilinear")
    return (total * 0.7).clamp_(-2, 2)


def _smooth(model: Any, ranges: dict[nn.Module, Tensor]) -> None:
    """Moves channel ranges from the inputs of products into their weights."""
    for layer in model.vision_model.encoder.layers:
        attention = layer.self_attn
        first = (attention.q_proj, attention.k_proj, attention.v_proj)
        # Before out_proj lies a weighted mean over tokens of v_proj's outputs, channel by channel.
        _move(attention.v_proj, (attention.out_proj,), ranges[attention.out_proj])
        _move(layer.layer_norm1, first, ranges[attention.q_proj])
        _move(layer.layer_norm2, (layer.mlp.fc1,), ranges[layer.mlp.fc1])


def _move(before: Any, after: tuple[Any, ...], largest: Tensor) -> None:
    """Divides what `before` gives, channel by channel, and multiplies `after`'s weights by it."""
    taken = torch.stack([layer.weight.abs().amax(0) for layer in after]).amax(0)
    factor = largest.clamp_min(1e-5) ** _SMOOTHING / taken.clamp_min(1e-5) ** (1 - _SMOOTHING)
    before.weight.div_(factor if before.weight.ndim == 1 else factor[:, None])
    if before.bias is not None:
        before.bias.div_(factor)
    for layer in after:
        layer.weight.mul_(factor)
