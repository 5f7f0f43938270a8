"""Every family of dual encoders, small and random, against transformers' own use of it."""

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from pdray.models.encoder import DualEncoder
from pdray.models.precision import has_int8
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from pdray.samples.captions import simple_caption
from pdray.samples.drawing import render
from pdray.samples.scene import scenes
from tests.families import (
    SIDE,
    TEXTS,
    WRITERS,
    build,
    cosines,
    random_pixels,
    write_clip,
    write_metaclip_2,
    write_siglip,
)


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("tiny"))


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


def test_the_order_of_texts_survives_sorting_by_length(clip: Path):
    encoder = build(clip, towers="text")
    texts = [letter * (1 + 7 * number % 60) for number, letter in enumerate("abcdefghij" * 15)]
    together = encoder.encode_texts(texts)
    for number in (0, 63, 64, 149):
        alone = encoder.encode_texts([texts[number]])
        assert cosines(together[number : number + 1], alone)[0] > 0.99999


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("write", "end"), [(write_clip, "<|endoftext|>"), (write_metaclip_2, "</s>")]
)
def test_packed_texts_are_those_of_the_whole_model_at_any_length_and_number(
    tmp_path: Path, precision: str, write: Callable[[Path], Path], end: str
):
    spec = resolve(str(write(tmp_path)))
    texts = [*TEXTS, *(f"{'long ' * n}{n}" for n in range(40)), f"ends {end} before this"]
    packed = DualEncoder(spec, device="cpu", towers="text", precision=precision)
    expected = build(tmp_path).encode_texts(texts)
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
