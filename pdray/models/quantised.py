"""Weights in 4 or 8 bits by bitsandbytes, for the layers of a model that transformers loaded.

nf4 is the 4-bit NormalFloat of Dettmers et al. 2023, "QLoRA", with the blocks' scales quantised
again: 0.52 bytes a weight. int8 on a GPU is Dettmers et al. 2022, "LLM.int8()", which multiplies
the few channels of outliers in 16 bits. Both save memory, not time.
"""

import logging
from typing import Any

import torch

from pdray.errors import UsageError


def require() -> None:
    """UsageError where bitsandbytes is not installed."""
    try:
        _library()
    except ImportError as error:
        raise UsageError(
            "Precision nf4, and int8 on a GPU, need bitsandbytes: pip install 'pdray[nf4]', or use "
            "auto."
        ) from error


def _library() -> Any:
    # It warns of faster kernels that it could fetch from a hub.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import bitsandbytes

    return bitsandbytes


def quantise(model: torch.nn.Module, precision: str, dtype: torch.dtype) -> None:
    """Replaces the linear layers of a model's transformers, in place; they are rounded when the
    model is moved to its device. `dtype` is that of what goes through them. Projections, patches
    and token embeddings stay as they are: small, and what follows them is the answer.
    """
    for name, module in list(model.named_modules()):
        if not isinstance(module, torch.nn.Linear) or ".encoder." not in f".{name}":
            continue
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, _rounded(module, precision, dtype))


def _rounded(layer: torch.nn.Linear, precision: str, dtype: torch.dtype) -> torch.nn.Module:
    library = _library()
    sizes, bias = (layer.in_features, layer.out_features), layer.bias is not None
    if precision == "nf4":
        made = library.nn.Linear4bit(
            *sizes, bias=bias, compute_dtype=dtype, quant_type="nf4", compress_statistics=True
        )
    else:
        made = library.nn.Linear8bitLt(*sizes, bias=bias, has_fp16_weights=False)
    made.load_state_dict(layer.state_dict())
    if bias:
        made.bias = layer.bias
    found: torch.nn.Module = made.requires_grad_(False)
    return found
