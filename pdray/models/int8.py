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

_MIDDLE = 128  # the zero of unsigned activations: VNNI multiplies unsigned by signed
_STEPS = 127
_SMOOTHING = 0.5  # SmoothQuant's alpha: the share of a channel's range that the weights take over
_GAIN = 1.702  # x * sigmoid(1.702 x), "quick GELU", is silu(1.702 x) / 1.702
_PICTURES = 8


def quantise(model: Any, dtype: torch.dtype, mean: Iterable[float], std: Iterable[float]) -> None:
    """Makes the image tower of a model in fp32 an 8-bit one, in place; `dtype` is what it computes
    in between products. It then takes uint8 pixels (n, 3, h, w), not normalised.
    """
    tower = model.vision_model
    convolution = tower.embeddings.patch_embedding
    _smooth(model, _ranges(model, convolution.in_channels))
    patches = _Patches(convolution, torch.tensor(tuple(mean)), torch.tensor(tuple(std)), dtype)
    for layer in tower.encoder.layers:
        attention, mlp = layer.self_attn, layer.mlp
        rows = _Rows()
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(attention, name, Linear8(getattr(attention, name), rows, dtype))
        attention.out_proj = Linear8(attention.out_proj, _Rows(), dtype)
        gain = _GAIN if type(mlp.activation_fn).__name__ == "QuickGELUActivation" else 1.0
        if gain != 1.0:
            mlp.activation_fn = nn.SiLU()
            mlp.fc2.weight.div_(gain)
        mlp.fc1 = Linear8(mlp.fc1, _Rows(), dtype, gain)
        mlp.fc2 = Linear8(mlp.fc2, _Rows(), dtype)
    model.to(dtype)
    tower.embeddings.patch_embedding = patches


class _Rows:
    """Activations in 8 bits, a scale a row; the last are kept, for the layers that share them."""

    def __init__(self) -> None:
        self._kept: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept = self._kept
        if kept is None or kept[0] is not x:
            kept = self._kept = (x, *_rounded(x.reshape(-1, x.shape[-1])))
        return kept[1], kept[2]


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


class _Weights:
    """A matrix (out, in) in 8 bits, a scale a row, packed for the CPU's products."""

    def __init__(self, weight: Tensor) -> None:
        scale = weight.abs().amax(1).clamp_min(1e-12) / _STEPS
        steps = (weight / scale[:, None]).round().to(torch.int8)
        self.scale = scale
        self.zero = torch.zeros(len(weight), dtype=torch.int32)
        self.packed = torch.ops.onednn.qlinear_prepack(steps, None)

    def product(self, rows: Tensor, middle: int, dtype: torch.dtype, factor: Tensor) -> Tensor:
        """(rows - middle) @ weight.T * factor, where factor is per output channel."""
        return torch.ops.onednn.qlinear_pointwise(  # type: ignore[no-any-return]
            rows, 1.0, middle, self.packed, factor, self.zero, None, 1.0, 0, dtype, "none", [], ""
        )


class Linear8(nn.Module):
    """A linear layer in 8 bits; what it gives is multiplied by `gain`."""

    def __init__(self, layer: Any, rows: _Rows, dtype: torch.dtype, gain: float = 1.0) -> None:
        super().__init__()
        self._rows, self._dtype = rows, dtype
        self._weights = _Weights(layer.weight)
        self._factor = self._weights.scale * gain
        self._bias = None if layer.bias is None else (layer.bias * gain).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        rows, scale = self._rows(x)
        result = self._weights.product(rows, _MIDDLE, self._dtype, self._factor).mul_(scale)
        if self._bias is not None:
            result.add_(self._bias)
        return result.view(*x.shape[:-1], -1)


class _Patches(nn.Module):
    """The patch embedding over uint8 pixels as they are: the normalisation is in the weights.

    Not in 8 bits: over an even area one pixel's rounding error adds up a thousand times, which
    took half of all agreement and gave 2% of the speed.
    """

    def __init__(self, layer: nn.Conv2d, mean: Tensor, std: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self._side, self._dtype = int(layer.kernel_size[0]), dtype
        # transformers casts the pixels to the type of this before it calls.
        self.weight = nn.Parameter(torch.empty(0, dtype=torch.uint8), requires_grad=False)
        shift = (layer.weight * (-mean / std).view(1, 3, 1, 1)).sum((1, 2, 3))
        bias = shift if layer.bias is None else shift + layer.bias
        self._bias = bias.to(dtype)
        scaled = (layer.weight / (255 * std).view(1, 3, 1, 1)).permute(0, 2, 3, 1)
        self._weights = scaled.reshape(len(scaled), -1).to(dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w), in channels-last memory, to (n, width, h / side, w / side)."""
        n, channels, height, width = pixels.shape
        side, across, down = self._side, width // self._side, height // self._side
        whole = pixels[:, :, : down * side, : across * side].permute(0, 2, 3, 1)
        rows = whole.reshape(n, down, side, across, side * channels).transpose(2, 3)
        patches = rows.reshape(n * down * across, -1).to(self._dtype)
        result = nn.functional.linear(patches, self._weights, self._bias)
        return result.view(n, down, across, -1).permute(0, 3, 1, 2)


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
