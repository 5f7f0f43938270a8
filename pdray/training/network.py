"""The built-in model: CLIP's architecture, small, and the files that make a folder loadable."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

EDGE, PATCH, LONGEST = 64, 8, 64
MEAN = STD = (0.5, 0.5, 0.5)
# Stored as fp16 to halve the folder; config.json says float32, so it is loaded as that.
STORED = torch.float16


def make_config(vocabulary: int, *, pad: int, end: int, start: int) -> CLIPConfig:
    """CLIP with 64 × 64 pixels in patches of 8, four layers for pictures and three for words."""
    tokens = {"pad_token_id": pad, "eos_token_id": end, "bos_token_id": start}
    vision = {
        "hidden_size": 160,
        "intermediate_size": 480,
        "num_hidden_layers": 4,
        "num_attention_heads": 5,
        "image_size": EDGE,
        "patch_size": PATCH,
        "projection_dim": 128,
    }
    words = {
        "vocab_size": vocabulary,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": LONGEST,
        "projection_dim": 128,
        **tokens,
    }
    return CLIPConfig(
        text_config=words, vision_config=vision, projection_dim=128, dtype="float32", **tokens
    )


def save_network(model: CLIPModel, out: Path) -> None:
    """Writes config.json, preprocessor_config.json and model.safetensors for `from_pretrained`.

    The weights are replaced at once, so that a reader never sees half of them.
    """
    model.config.architectures = ["CLIPModel"]
    model.config.save_pretrained(out)
    preprocessing = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": EDGE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": EDGE, "width": EDGE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    (out / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")
    weights = {
        # Positions are counted, not learnt.
        name: tensor.detach().to(STORED).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    unfinished = out / "model.safetensors.tmp"
    save_file(weights, unfinished, metadata={"format": "pt"})
    unfinished.chmod(0o644)
    unfinished.replace(out / "model.safetensors")
