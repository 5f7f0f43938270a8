"""Writes full-size CLIP models with random weights: right in shape and cost, for benchmarks."""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

_START, _END = "<|startoftext|>", "<|endoftext|>"


class _Shape(NamedTuple):
    """One tower's transformer."""

    width: int
    layers: int
    heads: int


class _Architecture(NamedTuple):
    vision: _Shape
    text: _Shape
    image: int  # pixels a side
    patch: int
    dim: int


_ARCHITECTURES = {
    "ViT-B/32": _Architecture(_Shape(768, 12, 12), _Shape(512, 12, 8), 224, 32, 512),
    "ViT-B/16": _Architecture(_Shape(768, 12, 12), _Shape(512, 12, 8), 224, 16, 512),
    "ViT-L/14": _Architecture(_Shape(1024, 24, 16), _Shape(768, 12, 12), 224, 14, 768),
    "tiny": _Architecture(_Shape(32, 2, 2), _Shape(32, 2, 2), 32, 8, 16),
    "tiny-224": _Architecture(_Shape(64, 2, 2), _Shape(32, 2, 2), 224, 16, 64),
}


def write_random_clip(folder: Path, *, seed: int = 0, architecture: str = "ViT-B/32") -> Path:
    """Writes a CLIP in transformers' format with seeded random weights, and returns the folder.

    `architecture` is ViT-B/32, ViT-B/16, ViT-L/14, or tiny and tiny-224 for tests; the full ones
    have a vocabulary as large as OpenAI's. The tokenizer is byte-level without merges: every
    character is a token.
    """
    shape = _ARCHITECTURES[architecture]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer()
    config = _config(shape, tokenizer, 600 if architecture.startswith("tiny") else 49408)
    config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(_weights(config, seed), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": shape.image},
                "crop_size": {"height": shape.image, "width": shape.image},
            }
        )
    )
    return folder


def _byte_tokenizer() -> Any:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*letters, *(letter + "</w>" for letter in letters), _START, _END]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _config(shape: _Architecture, tokenizer: Any, vocabulary: int) -> Any:
    def tower(part: _Shape) -> dict[str, int]:
        return {
            "hidden_size": part.width,
            "intermediate_size": 4 * part.width,
            "num_hidden_layers": part.layers,
            "num_attention_heads": part.heads,
            "projection_dim": shape.dim,
        }

    return transformers.CLIPConfig(
        projection_dim=shape.dim,
        text_config=tower(shape.text)
        | {
            "vocab_size": vocabulary,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config=tower(shape.vision) | {"image_size": shape.image, "patch_size": shape.patch},
    )


def _weights(config: Any, seed: int) -> dict[str, torch.Tensor]:
    # Names and shapes come from a model without memory; transformers' own initialisation takes
    # many times as long as drawing the numbers.
    with torch.device("meta"):
        blank = transformers.CLIPModel(config)
    generator = torch.Generator().manual_seed(seed)
    return {name: _draw(name, tensor, generator) for name, tensor in blank.state_dict().items()}


def _draw(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Norms as the identity, no biases, the rest normal with variance 1 / inputs."""
    if like.ndim == 0:
        return torch.tensor(math.log(100.0))
    if name.endswith("bias"):
        return torch.zeros(like.shape)
    if "norm" in name or "layrnorm" in name:
        return torch.ones(like.shape)
    inputs = math.prod(like.shape[1:]) if like.ndim > 1 else like.shape[0]
    return torch.randn(like.shape, generator=generator).mul_(inputs**-0.5)
