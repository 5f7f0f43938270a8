"""Models on a real GPU, against the same on the CPU. Runs without Ray, pdray's settings and the
other tests' fixtures: `python -m pytest --noconftest tests/gpu`.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from pdray.models.captioners import build_captioner, resolve_captioner
from pdray.models.encoder import DualEncoder
from pdray.models.measuring import measure
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from pdray.samples.captions import simple_caption
from pdray.samples.drawing import render
from pdray.samples.scene import scenes
from tests.families import TEXTS, WRITERS, cosines, random_pixels

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module", params=WRITERS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return WRITERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_clip(tmp_path_factory.mktemp("large"))


def _pixels(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 224, 224, 3), dtype=np.uint8)


def _encoder(folder: Path | str, device: str, precision: str, **options: object) -> DualEncoder:
    return DualEncoder(resolve(str(folder)), device=device, precision=precision, **options)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("bf16", 0.995)])
def test_vectors_are_those_of_the_cpu(family: Path, precision: str, least: float) -> None:
    exact, found = _encoder(family, "cpu", "fp32"), _encoder(family, "cuda", precision)
    assert found.device.type == "cuda"
    pixels = random_pixels(7)
    pairs = [
        (encoder.encode_pixels(pixels), encoder.encode_texts(TEXTS)) for encoder in (exact, found)
    ]
    for one, other in zip(*pairs, strict=True):
        assert cosines(one, other).min() > least


def test_compiled_vectors_are_those_of_the_cpu(family: Path) -> None:
    exact = _encoder(family, "cpu", "fp32", towers="image")
    compiled = _encoder(family, "cuda", "fp32", towers="image", compile=True)
    for count in (4, 7, 3):  # sizes after the first are compiled for any
        pixels = random_pixels(count)
        vectors = compiled.encode_pixels(pixels)
        assert cosines(exact.encode_pixels(pixels), vectors).min() > 0.9999


def test_the_built_in_model_finds_its_scenes() -> None:
    some = list(islice(scenes(5), 200))
    encoder = _encoder("builtin", "cuda", "auto")
    rule = encoder.spec.preprocessing
    pixels = np.stack([np.asarray(render(one, (rule.width, rule.height))) for one in some])
    texts = encoder.encode_texts([simple_caption(scene) for scene in some])
    nearest = (texts @ encoder.encode_pixels(pixels).T).argmax(axis=1)
    assert (nearest == np.arange(len(some))).mean() > 0.7


def test_captions_are_those_of_the_cpu() -> None:
    spec = resolve_captioner("builtin")
    rule = spec.preprocessing
    pixels = np.stack(
        [np.asarray(render(one, (rule.width, rule.height))) for one in islice(scenes(6), 40)]
    )
    there, here = (
        build_captioner(spec, device=device, precision="fp32").caption(pixels)
        for device in ("cuda", "cpu")
    )
    same = [one == other for one, other in zip(there, here, strict=True)]
    assert sum(same) >= 38


@pytest.mark.parametrize(("precision", "least"), [("int8", 0.99), ("nf4", 0.9)])
def test_rounded_weights_hold_less_and_agree(large: Path, precision: str, least: float) -> None:
    pytest.importorskip("bitsandbytes")
    pixels, spec = _pixels(16), resolve(str(large))
    exact = measure(spec, "fp32", pixels, device="cuda", batch=16)
    found = measure(spec, precision, pixels, device="cuda", batch=16)
    assert found.held < exact.held * 0.45
    assert cosines(exact.vectors, found.vectors).min() > least


def test_a_batch_that_does_not_fit_is_halved_and_the_smaller_size_kept(large: Path) -> None:
    encoder = _encoder(large, "cuda", "fp32", towers="image")
    pixels = _pixels(512)
    expected = encoder.encode_pixels(pixels, 32)
    held = torch.cuda.memory_allocated()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((held + (600 << 20)) / total)
    try:
        found = encoder.encode_pixels(pixels, 512)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder.image_batch(512) < 512
    assert cosines(expected, found).min() > 0.99999
    assert encoder.gpu_bytes() > 0
