"""The built-in captioner: BLIP's architecture, small, its tokenizer, and the files that make a
folder loadable."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, GenerationConfig

from pdray.samples.captions import NUMBERS
from pdray.samples.scene import COLOURS, FILLS, GROUNDS, SHAPES, SIZES

EDGE, PATCH, LONGEST = 80, 10, 48
GRID = EDGE // PATCH
MEAN = STD = (0.5, 0.5, 0.5)
STORED = torch.float16
PAD, UNKNOWN, CLASS, SEPARATOR, MASK, DECODE = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"),
)
WORDS = (
    *("a", "an", "the", "on", "in", "of", "and", "with", "to", "from", "left", "right", "above"),
    *("below", "inside", "background", "fading", "dots", "gradient", "top", "bottom", "centre"),
    *("corner", "row", "column"),
)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def make_tokenizer() -> BertTokenizer:
    """BERT's kind, as BLIP's is, over the words of scenes and all letters: no English word is
    unknown to it, though most fall into letters."""
    plurals = [f"{shape}{'es' if shape.endswith(('s', 'x')) else 's'}" for shape in SHAPES]
    scenes = (*COLOURS, *SHAPES, *plurals, *FILLS, *GROUNDS, *SIZES, *NUMBERS.values())
    tokens = [PAD, UNKNOWN, CLASS, SEPARATOR, MASK, DECODE, ",", ".", "-", "'"]
    tokens += [*LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS, *scenes]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    return BertTokenizer(vocab=vocabulary, bos_token=DECODE, model_max_length=LONGEST)


def make_network(tokenizer: BertTokenizer) -> BlipForConditionalGeneration:
    """80 × 80 pixels in patches of 10, four layers for pictures and two for words: 2.0 million
    parameters."""
    marks = {
        "bos_token_id": tokenizer.convert_tokens_to_ids(DECODE),
        "sep_token_id": tokenizer.convert_tokens_to_ids(SEPARATOR),
        "eos_token_id": tokenizer.convert_tokens_to_ids(SEPARATOR),
        "pad_token_id": tokenizer.convert_tokens_to_ids(PAD),
    }
    words = {
        "vocab_size": len(tokenizer),
        "hidden_size": 128,
        "encoder_hidden_size": 192,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": LONGEST,
        "projection_dim": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.02,
        **marks,
    }
    vision = {
        "hidden_size": 192,
        "intermediate_size": 576,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "image_size": EDGE,
        "patch_size": PATCH,
        "projection_dim": 64,
        "initializer_range": 0.02,
    }
    config = BlipConfig(
        text_config=words,
        vision_config=vision,
        projection_dim=64,
        image_text_hidden_size=64,
        initializer_range=0.02,
        dtype="float32",
    )
    return BlipForConditionalGeneration(config)


def save_network(model: BlipForConditionalGeneration, tokenizer: BertTokenizer, out: Path) -> None:
    """Writes all files that `from_pretrained` reads; the weights are replaced at once."""
    model.config.architectures = ["BlipForConditionalGeneration"]
    model.config.save_pretrained(out)
    GenerationConfig(max_length=LONGEST).save_pretrained(out)
    tokenizer.save_pretrained(out)
    preprocessing = {
        "image_processor_type": "BlipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": EDGE},
        "do_center_crop": True,
        "crop_size": {"height": EDGE, "width": EDGE},
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    (out / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")
    # The output layer's weights are those of the word embeddings: stored once.
    shared = ("decoder.weight", "decoder.bias", "position_ids")
    weights = {
        name: tensor.detach().to(STORED).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(shared)
    }
    unfinished = out / "model.safetensors.tmp"
    save_file(weights, unfinished, metadata={"format": "pt"})
    unfinished.chmod(0o644)
    unfinished.replace(out / "model.safetensors")
