"""The files of a model: the forms that are read, and what is refused and how."""

import shutil
from pathlib import Path

import pytest
import torch
import transformers

from pdray.errors import ModelUnavailable
from pdray.models.encoder import DualEncoder
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from tests.families import build, cosines, random_pixels, write_clip


@pytest.mark.parametrize("files", ["shards", "pickle"])
def test_weights_in_other_files_give_the_same_vectors(tmp_path: Path, files: str):
    """Large models come in several files, first-generation ones as a pickle of tensors."""
    clip, folder = write_clip(tmp_path / "clip"), tmp_path / "model"
    shutil.copytree(clip, folder)
    model = transformers.CLIPModel.from_pretrained(clip)
    (folder / "model.safetensors").unlink()
    if files == "shards":
        model.save_pretrained(folder, max_shard_size="20KB")
        assert (folder / "model.safetensors.index.json").is_file()
    else:
        torch.save(model.half().state_dict(), folder / "pytorch_model.bin")
    pixels = random_pixels(3)
    found = build(folder, towers="image").encode_pixels(pixels)
    assert cosines(found, build(clip, towers="image").encode_pixels(pixels)).min() > 0.9999


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = write_clip(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match="visual_projection"):
        build(folder)
    build(folder, towers="text")


def test_damaged_weights_are_refused_in_a_sentence(tmp_path: Path):
    folder = write_clip(tmp_path)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for towers in ("text", "image"):
        with pytest.raises(ModelUnavailable, match="fetch it again"):
            build(folder, towers=towers)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = write_clip(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["visual_projection.weight"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match="no usable vectors"):
        build(folder).encode_pixels(random_pixels(1))


def test_files_that_changed_since_the_model_was_resolved_are_refused(tmp_path: Path):
    spec = resolve(str(write_clip(tmp_path)))
    write_random_clip(tmp_path, architecture="tiny", seed=1)
    with pytest.raises(ModelUnavailable, match="differ"):
        DualEncoder(spec, device="cpu", precision="fp32")


def test_random_weights_follow_their_seed(tmp_path: Path):
    prints = [
        resolve(str(write_random_clip(tmp_path / str(n), architecture="tiny", seed=s))).fingerprint
        for n, s in enumerate((3, 3, 4))
    ]
    assert prints[0] == prints[1] != prints[2]
