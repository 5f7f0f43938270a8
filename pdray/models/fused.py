"""Transformer layers in the arithmetic of the published models and fewer, larger steps.

What transformers does in 13 operations a layer is done in 8: one product for queries, keys and
values; attention over views of its result, without copies; the scale of the scores, the gain of
"quick GELU" and the pixels' normalisation folded into weights; weights laid out once for the
CPU's products instead of at each call. ViT-B/32 takes three quarters of its time, of which two
thirds are matrix products at the rate that the CPU reaches for any.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention, silu

_QUICK = 1.702  # x * sigmoid(1.702 x), "quick GELU", is silu(1.702 x) / 1.702

Product = Callable[[Tensor], Tensor]  # x @ weight.T + bias, of x (rows, in)
Prepare = Callable[[Tensor, Tensor, torch.dtype], Product]  # of weight (out, in) and bias, in fp32


def _silu(x: Tensor) -> Tensor:
    return silu(x, inplace=True)


def _tanh(x: Tensor) -> Tensor:
    return gelu(x, approximate="tanh")


# By its name in config.json: what is applied to the product, made so many times as large.
ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "quick_gelu": (_silu, _QUICK),
    "gelu": (gelu, 1.0),
    "gelu_new": (_tanh, 1.0),
    "gelu_pytorch_tanh": (_tanh, 1.0),
}


class Norm(NamedTuple):
    """Layer normalisation."""

    weight: Tensor
    bias: Tensor
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def to(self, dtype: torch.dtype) -> Self:
        """The same in another type."""
        return self._replace(weight=self.weight.to(dtype), bias=self.bias.to(dtype))


class Linear(NamedTuple):
    """A product as it was trained."""

    weight: Tensor  # (out, in)
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)

    def scaled(self, gain: float) -> Self:
        """With `gain` times as large results."""
        return (
            self if gain == 1 else self._replace(weight=self.weight * gain, bias=self.bias * gain)
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A layer of a pre-norm transformer without masks, in fp32 as it was trained."""

    heads: int
    activation: str
    norm1: Norm
    q: Linear
    k: Linear
    v: Linear
    out: Linear
    norm2: Norm
    fc1: Linear
    fc2: Linear

    @staticmethod
    def shapes(width: int, inner: int) -> dict[str, tuple[int, ...]]:
        """Of its tensors, by their names in the files."""
        square = {f"self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        weights = square | {"mlp.fc1": (inner, width), "mlp.fc2": (width, inner)}
        result: dict[str, tuple[int, ...]] = {}
        for name, shape in weights.items():
            result |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        for name in ("layer_norm1", "layer_norm2"):
            result |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
        return result

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], heads: int, activation: str, eps: float) -> Self:
        """From its tensors by their names in the files."""

        def pair(name: str) -> tuple[Tensor, Tensor]:
            return tensors[f"{name}.weight"], tensors[f"{name}.bias"]

        q, k, v, out = (Linear(*pair(f"self_attn.{name}_proj")) for name in ("q", "k", "v", "out"))
        norm1, norm2 = (Norm(*pair(name), eps) for name in ("layer_norm1", "layer_norm2"))
        fc1, fc2 = Linear(*pair("mlp.fc1")), Linear(*pair("mlp.fc2"))
        return cls(heads, activation, norm1, q, k, v, out, norm2, fc1, fc2)


def prepare(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    """The product in `dtype`."""
    weight, bias = weight.to(dtype), bias.to(dtype)
    packs = weight.is_cpu and dtype == torch.bfloat16
    if not packs or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return lambda x: linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
    apply = torch.ops.mkldnn._linear_pointwise
    return lambda x: apply(x, packed, bias, "none", [], "")


class Layer:
    """A block made ready to compute in `dtype`, by products that `prepare` makes."""

    def __init__(self, block: Block, dtype: torch.dtype, prepare: Prepare = prepare) -> None:
        self._heads = block.heads
        self._norm1, self._norm2 = block.norm1.to(dtype), block.norm2.to(dtype)
        head = len(block.q.weight) // block.heads
        three = (block.q.scaled(head**-0.5), block.k, block.v)
        weights, biases = zip(*three, strict=True)
        self._three = prepare(torch.cat(weights), torch.cat(biases), dtype)
        self._out = prepare(*block.out, dtype)
        self._activate, gain = ACTIVATIONS[block.activation]
        self._widen = prepare(*block.fc1.scaled(gain), dtype)
        self._narrow = prepare(block.fc2.weight / gain, block.fc2.bias, dtype)

    def __call__(self, hidden: Tensor, wanted: int | None = None) -> Tensor:
        """(n, tokens, width) to the same, or to the first `wanted` tokens alone: where nobody looks
        at the others any more, they are but keys and values.
        """
        n, tokens, width = hidden.shape
        packed = self._three(self._norm1(hidden.reshape(n * tokens, width)))
        q, k, v = packed.view(n, tokens, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        if wanted is not None:
            q, hidden, tokens = q[:, :, :wanted], hidden[:, :wanted], wanted
        mixed = scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)
        rows = hidden.reshape(n * tokens, width)
        x = self._out(mixed.reshape(n * tokens, width)).add_(rows)
        x = self._narrow(self._activate(self._widen(self._norm2(x)))).add_(x)
        return x.view(n, tokens, width)
