"""The built-in model: CLIP's architecture, small, and the files that make a folder loadable."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from pdray.training import caption_network

# Those of the captioner: its image tower is where training starts.
EDGE, PATCH, LONGEST = caption_network.EDGE, caption_network.PATCH, 64
DIM = 256
MEAN = STD = (0.5, 0.5, 0.5)
# Stored as fp16 to halve the folder; config.json says float32, so it is loaded as that.
STORED = torch.float16


def make_config(vocabulary: int, *, pad: int, end: int, start: int) -> CLIPConfig:
    """CLIP with 80 × 80 pixels in patches of 10, four layers for pictures and three for words."""
    tokens = {"pad_token_id": pad, "eos_token_id": end, "bos_token_id": start}
    vision = {
        "hidden_size": 192,
        "intermediate_size": 576,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "image_size": EDGE,
        "patch_size": PATCH,
        "projection_dim": DIM,
    }
    words = {
        "vocab_size": vocabulary,
        "hidden_size": 160,
        "intermediate_size": 480,
        "num_hidden_layers": 3,
        "num_attention_heads": 5,
        "max_position_embeddings": LONGEST,
        "projection_dim": DIM,
        **tokens,
    }
    return CLIPConfig(
        text_config=words, vision_config=vision, projection_dim=DIM, dtype="float32", **tokens
    )


def start_from_captioner(model: CLIPModel, captioner: Path) -> None:
    """Gives the image tower the weights of the captioner's in that folder, which has learnt where
    things are and what shape they have.

    BLIP adds a bias to each patch, CLIP none: it goes into the positions. CLIP normalises what
    enters its layers, BLIP doesn't: training makes up for that.
    """
    known = {
        name.removeprefix("vision_model."): tensor.float()
        for name, tensor in load_file(captioner / "model.safetensors").items()
        if name.startswith("vision_model.")
    }
    positions = known["embeddings.position_embedding"].squeeze(0)
    positions[1:] += known["embeddings.patch_embedding.bias"]
    weights = {
        "embeddings.class_embedding": known["embeddings.class_embedding"].flatten(),
        "embeddings.patch_embedding.weight": known["embeddings.patch_embedding.weight"],
        "embeddings.position_embedding.weight": positions,
        "pre_layrnorm.weight": torch.ones(positions.shape[1]),
        "pre_layrnorm.bias": torch.zeros(positions.shape[1]),
    }
    for name, tensor in known.items():
        front, _, end = name.rpartition("self_attn.")
        if end.startswith("qkv."):
            for part, piece in zip(("q", "k", "v"), tensor.chunk(3), strict=True):
                weights[f"{front}self_attn.{part}_proj.{end.removeprefix('qkv.')}"] = piece
        elif end.startswith("projection."):
            weights[f"{front}self_attn.out_proj.{end.removeprefix('projection.')}"] = tensor
        elif not name.startswith("embeddings."):
            weights[name] = tensor
    model.vision_model.load_state_dict(weights)


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
