"""Image towers on CPUs, in the same arithmetic and fewer, larger steps.

What transformers does in 13 operations a layer is done in 8: one product for queries, keys and
values; attention over views of its result, without copies; the scale of the scores, the gain of
"quick GELU" and the pixels' normalisation folded into weights; weights laid out once for the
CPU's products instead of at each call. ViT-B/32 takes three quarters of its time, of which two
thirds are matrix products at the rate that the CPU reaches for any.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, scaled_dot_product_attention, silu

from pdray.models.patches import Patches

_QUICK = 1.702  # x * sigmoid(1.702 x), "quick GELU", is silu(1.702 x) / 1.702

Product = Callable[[Tensor], Tensor]  # x @ weight.T + bias, of x (rows, in)
Prepare = Callable[[Tensor, Tensor, torch.dtype], Product]  # of weight (out, in) and bias, in fp32


def prepare(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Product:
    """The product in `dtype`."""
    weight, bias = weight.to(dtype), bias.to(dtype)
    if dtype != torch.bfloat16 or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return lambda x: linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
    apply = torch.ops.mkldnn._linear_pointwise
    return lambda x: apply(x, packed, bias, "none", [], "")


def fuse(
    model: Any,
    dtype: torch.dtype,
    mean: Iterable[float],
    std: Iterable[float],
    prepare: Prepare = prepare,
) -> None:
    """Rewrites the image tower of a model in fp32, in place, to compute in `dtype`.

    It then takes uint8 pixels (n, 3, h, w), not normalised, in channels-last memory.
    """
    tower = model.vision_model
    patches = Patches(tower.embeddings.patch_embedding, mean, std, dtype)
    layers = tower.encoder.layers
    for number in range(len(layers)):  # one after the other: each frees what it was made of
        layers[number] = Layer(layers[number], dtype, prepare)
    model.to(dtype)
    tower.embeddings.patch_embedding = patches


class Layer(nn.Module):
    """One layer of a pre-norm transformer without masks, made from transformers' own."""

    def __init__(self, layer: Any, dtype: torch.dtype, prepare: Prepare) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self._heads = int(attention.num_heads)
        self._norm1, self._norm2 = layer.layer_norm1, layer.layer_norm2
        parts = [_parts(attention.q_proj, attention.head_dim**-0.5)]
        parts += [_parts(attention.k_proj), _parts(attention.v_proj)]
        weights, biases = zip(*parts, strict=True)
        self._three = prepare(torch.cat(weights), torch.cat(biases), dtype)
        self._out = prepare(*_parts(attention.out_proj), dtype)
        quick = type(mlp.activation_fn).__name__ == "QuickGELUActivation"
        self._activate = _silu if quick else mlp.activation_fn
        gain = _QUICK if quick else 1.0
        self._widen = prepare(*_parts(mlp.fc1, gain), dtype)
        weight, bias = _parts(mlp.fc2)
        self._narrow = prepare(weight / gain, bias, dtype)

    def forward(self, hidden: Tensor, *_: object, **__: object) -> Tensor:
        """(n, tokens, width) to the same."""
        n, tokens, width = hidden.shape
        x = hidden.reshape(n * tokens, width)
        packed = self._three(self._norm1(x)).view(n, tokens, 3, self._heads, -1)
        q, k, v = packed.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)
        x = self._out(mixed.reshape(n * tokens, width)).add_(x)
        x = self._narrow(self._activate(self._widen(self._norm2(x)))).add_(x)
        return x.view(n, tokens, width)


def _parts(layer: Any, gain: float = 1.0) -> tuple[Tensor, Tensor]:
    weight = layer.weight * gain
    bias = torch.zeros(len(weight)) if layer.bias is None else layer.bias * gain
    return weight, bias


def _silu(x: Tensor) -> Tensor:
    return silu(x, inplace=True)
