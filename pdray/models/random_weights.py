"""Writes full-size models with random weights: right in shape and cost, for benchmarks."""

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


ARCHITECTURES = {
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
    shape = ARCHITECTURES[architecture]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer()
    config = _config(shape, tokenizer, 600 if architecture.startswith("tiny") else 49408)
    tokenizer.save_pretrained(folder)
    drawn = _drawn(transformers.CLIPModel, config, seed)
    crop = {"height": shape.image, "width": shape.image}
    edge = {"shortest_edge": shape.image}
    _write(folder, config, drawn, "CLIPImageProcessor", edge, crop_size=crop)
    return folder


def write_random_so400m(folder: Path, *, seed: int = 0) -> Path:
    """Writes the image tower of SigLIP 2 So400m (224 pixels in patches of 14) with random weights
    in half precision, with a tokenizer but no text tower, and returns the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer()
    tokenizer.save_pretrained(folder)
    width = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16}
    config = transformers.SiglipConfig(
        text_config=width | {"num_hidden_layers": 1, "vocab_size": 600} | _ends(tokenizer),
        vision_config=width | {"num_hidden_layers": 27, "image_size": 224, "patch_size": 14},
    )
    drawn = _drawn(transformers.SiglipModel, config, seed, "vision_model.")
    half = {name: tensor.to(torch.float16) for name, tensor in drawn.items()}
    _write(folder, config, half, "SiglipImageProcessor", {"height": 224, "width": 224})
    return folder


def write_random_blip(folder: Path, *, seed: int = 0) -> Path:
    """Writes a captioner of BLIP base's size with random weights: it never ends by itself.

    The vocabulary is as large as BERT's and its words are numbers. Returns the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
    words = special + [f"w{number}" for number in range(30524 - len(special))]
    numbers = {word: number for number, word in enumerate(words)}
    config = transformers.BlipConfig(
        text_config={
            "num_attention_heads": 12,
            "vocab_size": len(words),
            "pad_token_id": numbers["[PAD]"],
            "sep_token_id": numbers["[SEP]"],
            "bos_token_id": numbers["[DEC]"],
            "eos_token_id": numbers["[SEP]"],
        },
        vision_config={"image_size": 384, "patch_size": 16},
    )
    drawn = _drawn(transformers.BlipForConditionalGeneration, config, seed)
    transformers.BertTokenizer(vocab=numbers).save_pretrained(folder)
    _write(folder, config, drawn, "BlipImageProcessor", {"height": 384, "width": 384})
    return folder


def _write(
    folder: Path,
    config: Any,
    weights: dict[str, torch.Tensor],
    processor: str,
    size: dict[str, int],
    **more: object,
) -> None:
    config.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    described = {"image_processor_type": processor, "size": size, **more}
    (folder / "preprocessor_config.json").write_text(json.dumps(described))


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
        text_config=tower(shape.text) | {"vocab_size": vocabulary} | _ends(tokenizer),
        vision_config=tower(shape.vision) | {"image_size": shape.image, "patch_size": shape.patch},
    )


def _ends(tokenizer: Any) -> dict[str, int]:
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    return {name: getattr(tokenizer, name) for name in names}


def _drawn(kind: Any, config: Any, seed: int, prefix: str = "") -> dict[str, torch.Tensor]:
    # Names and shapes come from a model without memory; transformers' own initialisation takes
    # many times as long as drawing the numbers.
    with torch.device("meta"):
        blank = kind(config)
    generator = torch.Generator().manual_seed(seed)
    wanted = {k: tensor for k, tensor in blank.state_dict().items() if k.startswith(prefix)}
    return {name: _draw(name, tensor, generator) for name, tensor in wanted.items()}


def _draw(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Norms as the identity, no biases, the rest normal with variance 1 / inputs."""
    if like.ndim == 0:
        return torch.tensor(math.log(100.0))
    if name.endswith("bias"):
        return torch.zeros(like.shape)
    if "norm" in name.lower():
        return torch.ones(like.shape)
    inputs = math.prod(like.shape[1:]) if like.ndim > 1 else like.shape[0]
    return torch.randn(like.shape, generator=generator).mul_(inputs**-0.5)
