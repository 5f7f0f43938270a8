"""Image towers of the CLIP families, from their files to what computes.

By hand instead of through transformers: each worker of a run is spared 100 MB and seconds of
importing it, never holds the tower in fp32 as a whole, and the last layer computes what is looked
at. `tests/unit/test_models_encoder.py` holds every family to transformers' own vectors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from pdray.errors import ModelUnavailable
from pdray.models import layout
from pdray.models.fused import ACTIVATIONS, Block, Layer, Linear, Norm, prepare
from pdray.models.int8 import Smoothing, prepare_int8
from pdray.models.patches import Patches
from pdray.models.precision import Choice
from pdray.models.weights import Weights
from pdray.records import ModelSpec

# What a config.json leaves out is what these models were published with.
_COMMON = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_channels": 3,
}
_CLIP = _COMMON | {"patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_SIGLIP = _COMMON | {"patch_size": 16, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}
_DEFAULTS = {"clip": _CLIP, "chinese_clip": _CLIP, "metaclip_2": _CLIP, "siglip": _SIGLIP}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a vision config says of a tower."""

    width: int
    inner: int
    layers: int
    heads: int
    patch: int
    patches: int
    activation: str
    eps: float

    @classmethod
    def of(cls, folder: Path, spec: ModelSpec) -> Self:
        """Read from config.json; ModelUnavailable for what these towers can't be."""
        stored = layout.read_json(folder / layout.CONFIG).get("vision_config")
        given = dict(stored) if isinstance(stored, Mapping) else {}
        config = cast(dict[str, Any], _DEFAULTS[spec.model_type] | given)
        if config["hidden_act"] not in ACTIVATIONS or config["num_channels"] != 3:
            raise ModelUnavailable(
                f"The image tower in {folder} has the activation {config['hidden_act']} over "
                f"{config['num_channels']} channels, which pdray doesn't compute: use one "
                f"of {', '.join(ACTIVATIONS)} over 3."
            )
        patch = int(config["patch_size"])
        prepared = spec.preprocessing
        return cls(
            width=int(config["hidden_size"]),
            inner=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            patch=patch,
            patches=(prepared.height // patch) * (prepared.width // patch),
            activation=str(config["hidden_act"]),
            eps=float(config["layer_norm_eps"]),
        )


class ImageTower:
    """Pixels (n, h, w, 3) uint8, as the model's preprocessing makes them, to features (n, dim) in
    fp32, not normalised, all on `device`. Raises ModelUnavailable where files and config don't
    belong together.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        precision: Choice,
        device: torch.device | str = "cpu",
    ) -> None:
        shape, weights = Shape.of(folder, spec), Weights(folder, device)
        self._dtype = precision.dtype
        siglip = spec.model_type == "siglip"
        self._embed(weights, shape, spec, siglip)
        smoothing = None
        if precision.precision == "int8":
            smoothing = Smoothing(self._tokens, spec.preprocessing)
        self._layers = []
        for number in range(shape.layers):  # one after the other: each frees what it was made of
            block = _block(weights, shape, number)
            if smoothing is None:
                self._layers.append(Layer(block, self._dtype))
            else:
                smoothing(block)
                self._layers.append(Layer(block, self._dtype, prepare_int8))
        self._last = _norm(weights, "vision_model.post_layernorm", shape)
        self._seen = None if siglip else 1
        self._pool = (
            _Attention(weights, shape, self._dtype)
            if siglip
            else _Projection(weights, shape, spec.dim)
        )

    def _embed(self, weights: Weights, shape: Shape, spec: ModelSpec, siglip: bool) -> None:
        patch = (shape.width, 3, shape.patch, shape.patch)
        places = shape.patches if siglip else shape.patches + 1
        wanted: dict[str, tuple[int, ...]] = {
            "patch_embedding.weight": patch,
            "position_embedding.weight": (places, shape.width),
        }
        wanted |= {"patch_embedding.bias": patch[:1]} if siglip else {"class_embedding": patch[:1]}
        found = weights.read(wanted, "vision_model.embeddings.")
        places_of = found["position_embedding.weight"]
        prepared = spec.preprocessing
        self._patches = Patches(
            found["patch_embedding.weight"],
            found.get("patch_embedding.bias"),
            prepared.mean,
            prepared.std,
            self._dtype,
        )
        self._first = None
        if not siglip:
            self._first = (found["class_embedding"] + places_of[0]).to(self._dtype)
            places_of = places_of[1:]
        self._places = places_of.to(self._dtype)
        self._before = None
        if not siglip:
            self._before = _norm(weights, "vision_model.pre_layrnorm", shape).to(self._dtype)

    def _tokens(self, pixels: Tensor) -> Tensor:
        """(n, tokens, width): what the first layer takes."""
        x = self._patches(pixels).add_(self._places)
        if self._first is not None:
            x = torch.cat([self._first.expand(len(x), 1, -1), x], 1)
        return x if self._before is None else self._before(x)

    def __call__(self, pixels: Tensor) -> Tensor:
        x = self._tokens(pixels)
        for layer in self._layers[:-1]:
            x = layer(x)
        x = self._layers[-1](x, self._seen)
        return self._pool(self._last(x.float()))


def _block(weights: Weights, shape: Shape, number: int) -> Block:
    wanted = Block.shapes(shape.width, shape.inner)
    found = weights.read(wanted, f"vision_model.encoder.layers.{number}.")
    return Block.of(found, shape.heads, shape.activation, shape.eps)


def _norm(weights: Weights, name: str, shape: Shape) -> Norm:
    wanted = {"weight": (shape.width,), "bias": (shape.width,)}
    return Norm(**weights.read(wanted, f"{name}."), eps=shape.eps)


class _Projection:
    """CLIP's end: the class token, by one product without bias."""

    def __init__(self, weights: Weights, shape: Shape, dim: int) -> None:
        wanted = {"visual_projection.weight": (dim, shape.width)}
        (self._weight,) = weights.read(wanted).values()

    def __call__(self, tokens: Tensor) -> Tensor:
        return linear(tokens[:, 0], self._weight)


class _Attention:
    """SigLIP's end: one learnt query over all tokens, then a layer's second half."""

    def __init__(self, weights: Weights, shape: Shape, dtype: torch.dtype) -> None:
        width, inner = shape.width, shape.inner
        wanted: dict[str, tuple[int, ...]] = {
            "probe": (1, 1, width),
            "attention.in_proj_weight": (3 * width, width),
            "attention.in_proj_bias": (3 * width,),
            "attention.out_proj.weight": (width, width),
            "attention.out_proj.bias": (width,),
            "layernorm.weight": (width,),
            "layernorm.bias": (width,),
            "mlp.fc1.weight": (inner, width),
            "mlp.fc1.bias": (inner,),
            "mlp.fc2.weight": (width, inner),
            "mlp.fc2.bias": (width,),
        }
        found = weights.read(wanted, "vision_model.head.")
        self._heads, self._dtype = shape.heads, dtype
        weight, bias = found["attention.in_proj_weight"], found["attention.in_proj_bias"]
        query = linear(found["probe"][0], weight[:width], bias[:width])
        self._query = query.view(1, shape.heads, 1, -1).to(dtype)
        self._keys = prepare(weight[width:], bias[width:], dtype)
        self._out = Linear(found["attention.out_proj.weight"], found["attention.out_proj.bias"])
        self._norm = Norm(found["layernorm.weight"], found["layernorm.bias"], shape.eps)
        self._activate, gain = ACTIVATIONS[shape.activation]
        self._widen = Linear(found["mlp.fc1.weight"], found["mlp.fc1.bias"]).scaled(gain)
        self._narrow = Linear(found["mlp.fc2.weight"] / gain, found["mlp.fc2.bias"])

    def __call__(self, tokens: Tensor) -> Tensor:
        n, count, width = tokens.shape
        packed = self._keys(tokens.reshape(n * count, width).to(self._dtype))
        k, v = packed.view(n, count, 2, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(self._query.expand(n, -1, -1, -1), k, v)
        x = self._out(mixed.reshape(n, width).float())
        return x + self._narrow(self._activate(self._widen(self._norm(x))))
