"""8-bit image towers on CPUs with VNNI: twice bf16's rate of multiplication, four times fp32's.

Weights are rounded once, one scale an output channel; activations as they come, one scale a token
(Yao et al., ZeroQuant, 2022), so that an image's vector does not depend on its batch. Before that
each channel's range is moved from activations into weights, which changes nothing in exact
arithmetic (Xiao et al., SmoothQuant, 2023): a few channels of a trained transformer are tens of
times as large as the rest, and one scale for all would leave the rest few of the 256 steps.
Their ranges come from pictures of noise that run through the tower once: which channels are large
is a matter of the weights far more than of the picture.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import interpolate, linear, scaled_dot_product_attention

from pdray.models.fused import ACTIVATIONS, Block, Product
from pdray.records import Preprocessing

_MIDDLE = 128  # the zero of unsigned activations: VNNI multiplies unsigned by signed
_STEPS = 127
_SMOOTHING = 0.5  # SmoothQuant's alpha: the share of a channel's range that the weights take over
_PICTURES = 8


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


def prepare_int8(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
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


class Smoothing:
    """Takes a tower's blocks one after the other, in place; `embed` makes the first one's input of
    pixels (n, h, w, 3) uint8.
    """

    def __init__(self, embed: Callable[[Tensor], Tensor], preprocessing: Preprocessing) -> None:
        self._hidden = embed(_noise(preprocessing)).float()

    def __call__(self, block: Block) -> None:
        """Moves channel ranges from the inputs of products into their weights."""
        first = block.norm1(self._hidden)
        mixed = _attention(block, first)
        x = block.out(mixed) + self._hidden
        second = block.norm2(x)
        activate, gain = ACTIVATIONS[block.activation]
        wide = activate(block.fc1(second) * gain)
        self._hidden = x + linear(wide, block.fc2.weight / gain, block.fc2.bias)
        # Before `out` lies a weighted mean over tokens of v's outputs, channel by channel.
        _move(block.v, (block.out,), mixed)
        _move(block.norm1, (block.q, block.k, block.v), first)
        _move(block.norm2, (block.fc1,), second)


def _attention(block: Block, x: Tensor) -> Tensor:
    n, tokens, width = x.shape
    parts = (part(x).view(n, tokens, block.heads, -1) for part in (block.q, block.k, block.v))
    q, k, v = (part.transpose(1, 2) for part in parts)
    return scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, tokens, width)


def _noise(preprocessing: Preprocessing) -> Tensor:
    """Pictures (n, h, w, 3) uint8 of noise on several scales, about as bright as photographs."""
    generator = torch.Generator().manual_seed(0)
    size = preprocessing.height, preprocessing.width
    total = torch.zeros(_PICTURES, 3, *size)
    for scale in (1, 4, 16, 64):
        coarse = [side // scale + 1 for side in size]
        small = torch.randn(_PICTURES, 3, *coarse, generator=generator)
        total += interpolate(small, size=size, mode="bilinear")
    std, mean = (torch.tensor(m).view(3, 1, 1) for m in (preprocessing.std, preprocessing.mean))
    values = ((total * 0.7).clamp_(-2, 2) * std + mean) * 255
    return values.clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


class _Scaled(Protocol):
    """What has a weight and a bias an output channel."""

    @property
    def weight(self) -> Tensor: ...
    @property
    def bias(self) -> Tensor: ...


def _move(before: _Scaled, after: tuple[_Scaled, ...], between: Tensor) -> None:
    """Divides what `before` gives, channel by channel, and multiplies `after`'s weights by it."""
    largest = between.abs().flatten(0, -2).amax(0)
    taken = torch.stack([layer.weight.abs().amax(0) for layer in after]).amax(0)
    factor = largest.clamp_min(1e-5) ** _SMOOTHING / taken.clamp_min(1e-5) ** (1 - _SMOOTHING)
    before.weight.div_(factor if before.weight.ndim == 1 else factor[:, None])
    before.bias.div_(factor)
    for layer in after:
        layer.weight.mul_(factor)
