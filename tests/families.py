"""A small random model of each family of dual encoders, in a folder as a hub would give it."""

from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from pdray.models.encoder import DualEncoder
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve

SIDE = 32
TEXTS = ["a red circle", "", "two blue dogs under a very large green tree " * 5, "猫 and dog"]
_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_VISION = _TOWER | {"image_size": SIDE, "patch_size": 8}


def _randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that different inputs give clearly different vectors."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    return model


def _save_processor(folder: Path, kind: str, size: dict[str, int]) -> None:
    getattr(transformers, kind)(
        size=size, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)


def write_siglip(folder: Path) -> Path:
    """SigLIP with a tokenizer that keeps case, as Gemma's does."""
    letters = {chr(code): code for code in range(4, 127)}
    words = Tokenizer(
        models.BPE({"<pad>": 0, "</s>": 1, "<unk>": 2, **letters}, [], unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    config = transformers.SiglipConfig(
        text_config=_TOWER | {"vocab_size": 200, "max_position_embeddings": 64},
        vision_config=_VISION,
    )
    return _save(folder, transformers.SiglipModel(config), tokenizer)


def write_siglip2(folder: Path) -> Path:
    """A fixed-resolution SigLIP 2: SigLIP's classes, Gemma's tokenizer, dim unlike the width."""
    letters = {chr(code): code for code in range(5, 127)}
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "▁": 4}
    tokenizer = transformers.Siglip2Tokenizer(vocab=special | letters | {"<mask>": 127}, merges=[])
    config = transformers.SiglipConfig(
        text_config=_TOWER | {"vocab_size": 200, "projection_size": 48},
        vision_config=_VISION | {"hidden_size": 48},
    )
    return _save(folder, transformers.SiglipModel(config), tokenizer)


def write_chinese_clip(folder: Path) -> Path:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "猫",
        "狗",
        "红",
        "a",
        "red",
        "and",
        "dog",
    ]
    tokenizer = transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    config = transformers.ChineseCLIPConfig(
        text_config=_TOWER | {"vocab_size": 40, "max_position_embeddings": 52},
        vision_config=_VISION,
        projection_dim=24,
    )
    return _save(folder, transformers.ChineseCLIPModel(config), tokenizer)


def write_metaclip_2(folder: Path) -> Path:
    """CLIP's towers with XLM-V's kind of tokenizer: sentence pieces between <s> and </s>."""
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    letters = [(letter, -2.0) for letter in "abcdefghijklmnopqrstuvwxyz猫"]
    tokenizer = transformers.XLMRobertaTokenizer(vocab=special + letters, model_max_length=24)
    ends = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    config = transformers.MetaClip2Config(
        text_config=_TOWER | ends | {"vocab_size": 60, "max_position_embeddings": 24},
        vision_config=_VISION,
        projection_dim=40,
    )
    return _save(folder, transformers.MetaClip2Model(config), tokenizer)


def _save(folder: Path, model: torch.nn.Module, tokenizer: object) -> Path:
    _randomise(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    exact = {"height": SIDE, "width": SIDE}
    _save_processor(folder, "SiglipImageProcessorPil", exact)
    return folder


def write_clip(folder: Path) -> Path:
    return write_random_clip(folder, architecture="tiny")


WRITERS = {
    "clip": write_clip,
    "siglip": write_siglip,
    "siglip2": write_siglip2,
    "chinese_clip": write_chinese_clip,
    "metaclip_2": write_metaclip_2,
}


def random_pixels(count: int) -> np.ndarray:
    """uint8 of (count, SIDE, SIDE, 3), the same each time."""
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def build(folder: Path, **options: object) -> DualEncoder:
    """In fp32, on the CPU."""
    return DualEncoder(resolve(str(folder)), device="cpu", precision="fp32", **options)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each row with its opposite."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms
