"""Every family of dual encoders, small and random, against transformers' own use of it."""

import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from pdray.errors import ModelUnavailable
from pdray.models.encoder import DualEncoder
from pdray.models.precision import has_int8
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from pdray.samples.captions import simple_caption
from pdray.samples.drawing import render
from pdray.samples.scene import scenes

SIDE = 32
TEXTS = ["a red circle", "", "two blue dogs under a very large green tree " * 5, "猫 and dog"]
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
VISION = TOWER | {"image_size": SIDE, "patch_size": 8}


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Weights large enough that different inputs give clearly different vectors."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
    return model


def save_processor(folder: Path, kind: str, size: dict[str, int]) -> None:
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
        text_config=TOWER | {"vocab_size": 200, "max_position_embeddings": 64},
        vision_config=VISION,
    )
    return save(folder, transformers.SiglipModel(config), tokenizer)


def write_siglip2(folder: Path) -> Path:
    """A fixed-resolution SigLIP 2: SigLIP's classes, Gemma's tokenizer, dim unlike the width."""
    letters = {chr(code): code for code in range(5, 127)}
    special = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "▁": 4}
    tokenizer = transformers.Siglip2Tokenizer(vocab=special | letters | {"<mask>": 127}, merges=[])
    config = transformers.SiglipConfig(
        text_config=TOWER | {"vocab_size": 200, "projection_size": 48},
        vision_config=VISION | {"hidden_size": 48},
    )
    return save(folder, transformers.SiglipModel(config), tokenizer)


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
        text_config=TOWER | {"vocab_size": 40, "max_position_embeddings": 52},
        vision_config=VISION,
        projection_dim=24,
    )
    return save(folder, transformers.ChineseCLIPModel(config), tokenizer)


def save(folder: Path, model: torch.nn.Module, tokenizer: object) -> Path:
    randomise(model).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    exact = {"height": SIDE, "width": SIDE}
    save_processor(folder, "SiglipImageProcessorPil", exact)
    return folder


def write_clip(folder: Path) -> Path:
    return write_random_clip(folder, architecture="tiny")


WRITERS = {
    "clip": write_clip,
    "siglip": write_siglip,
    "siglip2": write_siglip2,
    "chinese_clip": write_chinese_clip,
}


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("tiny"))


def random_pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def build(folder: Path, **options: object) -> DualEncoder:
    return DualEncoder(resolve(str(folder)), device="cpu", precision="fp32", **options)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms


def test_image_vectors_are_those_of_transformers(family: Path):
    pixels = random_pixels(5)
    found = build(family).encode_pixels(pixels, batch_size=2)
    processor = transformers.AutoImageProcessor.from_pretrained(family, backend="pil")
    model = transformers.AutoModel.from_pretrained(family)
    inputs = processor(
        images=list(pixels), do_resize=False, do_center_crop=False, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = model.get_image_features(**inputs).pooler_output.numpy()
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert cosines(found, expected).min() > 0.99999
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)


def test_text_vectors_are_those_of_transformers_at_full_padding(family: Path):
    encoder = build(family, towers="text")
    found = encoder.encode_texts(TEXTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(family)
    model = transformers.AutoModel.from_pretrained(family)
    limit = model.config.text_config.max_position_embeddings
    siglip = model.config.model_type == "siglip"
    inputs = tokenizer(
        TEXTS,
        padding="max_length",
        max_length=limit,
        truncation=True,
        return_tensors="pt",
        return_attention_mask=not siglip,
    )
    with torch.inference_mode():
        expected = model.get_text_features(**inputs).pooler_output.numpy()
    assert found.shape == (len(TEXTS), encoder.spec.dim)
    assert cosines(found, expected).min() > 0.9999
    assert np.abs(found[0] - found[2]).max() > 0.01


def test_a_single_tower_gives_the_same_vectors(family: Path):
    both, text, image = (build(family, towers=towers) for towers in ("both", "text", "image"))
    pixels = random_pixels(3)
    assert np.array_equal(both.encode_pixels(pixels), image.encode_pixels(pixels))
    assert np.allclose(both.encode_texts(TEXTS), text.encode_texts(TEXTS), atol=1e-5)


@pytest.mark.parametrize(("towers", "heavy"), [("image", "transformers"), ("text", "sympy")])
def test_a_tower_on_a_cpu_needs_no_model_of_transformers(clip: Path, towers: str, heavy: str):
    """Importing them takes 100 MB and seconds, of each worker, each replica and each search."""
    script = """
import sys
from pdray.models.encoder import DualEncoder
from pdray.models.resolve import resolve
from pdray.samples.drawing import render
from pdray.samples.scene import scenes
folder, towers, heavy = sys.argv[1:]
DualEncoder(resolve(folder), device="cpu", towers=towers)
print(heavy in sys.modules)
"""
    run = [sys.executable, "-c", script, str(clip), towers, heavy]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("files", ["shards", "pickle"])
def test_weights_in_other_files_give_the_same_vectors(clip: Path, tmp_path: Path, files: str):
    """Large models come in several files, first-generation ones as a pickle of tensors."""
    folder = tmp_path / "model"
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


def test_the_order_of_texts_survives_sorting_by_length(clip: Path):
    encoder = build(clip, towers="text")
    texts = [letter * (1 + 7 * number % 60) for number, letter in enumerate("abcdefghij" * 15)]
    together = encoder.encode_texts(texts)
    for number in (0, 63, 64, 149):
        alone = encoder.encode_texts([texts[number]])
        assert cosines(together[number : number + 1], alone)[0] > 0.99999


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_packed_texts_are_those_of_the_whole_model_at_any_length_and_number(
    clip: Path, precision: str
):
    texts = [*TEXTS, *(f"{'long ' * n}{n}" for n in range(40)), "ends <|endoftext|> before this"]
    packed = DualEncoder(resolve(str(clip)), device="cpu", towers="text", precision=precision)
    expected = build(clip).encode_texts(texts)
    close = 0.99999 if precision == "fp32" else 0.999
    assert cosines(packed.encode_texts(texts), expected).min() > close
    alone = np.concatenate([packed.encode_texts([text]) for text in texts])
    assert cosines(alone, expected).min() > close


def test_siglip_does_not_tell_upper_from_lower_case(tmp_path: Path):
    encoder = build(write_siglip(tmp_path), towers="text")
    upper, lower, other = encoder.encode_texts(["RED Dog", "red dog", "red cat"])
    assert np.array_equal(upper, lower)
    assert not np.allclose(lower, other)


def test_no_pixels_and_no_texts_give_no_vectors(clip: Path):
    encoder = build(clip)
    assert encoder.encode_pixels(random_pixels(0)).shape == (0, encoder.spec.dim)
    assert encoder.encode_texts([]).shape == (0, encoder.spec.dim)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, SIDE, SIDE, 3), np.float32)],
    ids=["size", "type"],
)
def test_pixels_of_another_shape_or_type_are_refused(clip: Path, pixels: np.ndarray):
    with pytest.raises(ValueError, match="expected uint8"):
        build(clip).encode_pixels(pixels)


def test_a_tower_that_was_not_loaded_is_not_used(clip: Path):
    with pytest.raises(ValueError, match="text tower only"):
        build(clip, towers="text").encode_pixels(random_pixels(1))
    with pytest.raises(ValueError, match="image tower only"):
        build(clip, towers="image").encode_texts(["a"])


def test_read_only_pixels_are_taken_without_warning(clip: Path, recwarn: pytest.WarningsRecorder):
    pixels = np.frombuffer(random_pixels(2).tobytes(), np.uint8).reshape(2, SIDE, SIDE, 3)
    build(clip).encode_pixels(pixels)
    assert not [w for w in recwarn if "writable" in str(w.message)]


def test_bf16_stays_close_to_fp32(clip: Path):
    spec = resolve(str(clip))
    low = DualEncoder(spec, device="cpu", precision="bf16")
    high = build(clip)
    pixels = random_pixels(4)
    assert cosines(low.encode_pixels(pixels), high.encode_pixels(pixels)).min() > 0.999
    assert cosines(low.encode_texts(TEXTS), high.encode_texts(TEXTS)).min() > 0.999


eight_bits = pytest.mark.skipif(not has_int8(), reason="this CPU has no VNNI")


@eight_bits
def test_int8_stays_close_to_fp32_in_every_family(family: Path):
    low = DualEncoder(resolve(str(family)), device="cpu", precision="int8")
    high = build(family)
    pixels = random_pixels(8)
    assert cosines(low.encode_pixels(pixels), high.encode_pixels(pixels)).min() > 0.995
    assert cosines(low.encode_texts(TEXTS), high.encode_texts(TEXTS)).min() > 0.999


def test_nf4_rounds_every_layer_of_every_family(family: Path):
    low = DualEncoder(resolve(str(family)), device="cpu", precision="nf4")
    rounded = [one for one in low._of_model.modules() if type(one).__name__ == "Linear4bit"]
    assert len(rounded) >= 12
    assert all(layer.weight.dtype is torch.uint8 for layer in rounded)
    # Random weights of width 32 agree badly: this only tells one layer taken for another.
    close = cosines(
        low.encode_pixels(random_pixels(8)), build(family).encode_pixels(random_pixels(8))
    )
    assert close.min() > 0.6


def test_nf4_stays_near_fp32_where_weights_mean_something():
    spec = resolve("builtin")
    low, high = (DualEncoder(spec, device="cpu", precision=one) for one in ("nf4", "fp32"))
    edge = (spec.preprocessing.width, spec.preprocessing.height)
    pixels = np.stack([np.asarray(render(one, edge)) for one in islice(scenes(3), 24)])
    assert cosines(low.encode_pixels(pixels), high.encode_pixels(pixels)).min() > 0.9
    texts = [simple_caption(one) for one in islice(scenes(3), 24)]
    assert cosines(low.encode_texts(texts), high.encode_texts(texts)).min() > 0.9


@eight_bits
def test_in_int8_a_vector_does_not_depend_on_its_batch(clip: Path):
    low = DualEncoder(resolve(str(clip)), device="cpu", precision="int8", towers="image")
    pixels = random_pixels(6)
    pixels[3] = 255
    alone = np.concatenate([low.encode_pixels(pixels[i : i + 1]) for i in range(6)])
    assert cosines(alone, low.encode_pixels(pixels)).min() > 0.9999


@eight_bits
def test_int8_survives_channels_that_are_fifty_times_as_large_as_the_rest(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    folder = write_random_clip(tmp_path, architecture="tiny-224")
    weights = load_file(folder / "model.safetensors")
    for name in list(weights):
        # The same function in exact arithmetic: larger before a product, smaller in it.
        if name.startswith("vision_model.encoder") and "layer_norm1." in name:
            weights[name][::17] *= 50
        elif name.startswith("vision_model.encoder") and name.endswith(
            ("q_proj.weight", "k_proj.weight", "v_proj.weight")
        ):
            weights[name][:, ::17] /= 50
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    spec = resolve(str(folder))
    pixels = np.random.default_rng(0).integers(0, 256, (6, 224, 224, 3), np.uint8)
    high = DualEncoder(spec, device="cpu", precision="fp32", towers="image")
    low = DualEncoder(spec, device="cpu", precision="int8", towers="image")
    assert cosines(low.encode_pixels(pixels), high.encode_pixels(pixels)).min() > 0.998


def test_threads_are_set_for_the_process(clip: Path):
    before = torch.get_num_threads()
    try:
        build(clip, threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_loading_is_silent(clip: Path, capfd: pytest.CaptureFixture[str]):
    build(clip, towers="image")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_weights_that_do_not_fit_the_config_are_refused(clip: Path, tmp_path: Path):
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
