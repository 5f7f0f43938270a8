"""What models take, told from their files and measured; how two of them agree."""

from pathlib import Path

import numpy as np
import pytest

from pdray.models.captioners import resolve_captioner
from pdray.models.measuring import agreement, measure, overlap
from pdray.models.memory import fit, need, needs, numbers_of_an_image
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve


def test_weights_and_activations_are_told_from_the_files(tmp_path: Path) -> None:
    folder = write_random_clip(tmp_path, architecture="tiny")
    found = need(folder, 10)
    size = (folder / "model.safetensors").stat().st_size
    assert found.weights["fp32"] == pytest.approx(size, rel=0.1)
    assert found.weights["bf16"] * 2 == found.weights["fp32"]
    assert found.activations["bf16"] * 2 == found.activations["fp32"]
    assert need(folder, 20).activations["fp32"] == 2 * found.activations["fp32"]


def test_more_tokens_take_more_than_in_proportion() -> None:
    coarse, fine = ({"patch_size": size} for size in (32, 14))
    assert numbers_of_an_image(fine) > 3 * numbers_of_an_image(coarse)


def test_a_gpu_is_shared_where_both_fit() -> None:
    both = needs(resolve("builtin"), resolve_captioner("builtin"))
    assert all(size > 3_000_000 for size in both)
    assert fit(2 * sum(both), *both)
    assert not fit(sum(both), *both)


def test_a_model_is_measured_in_a_process_of_its_own() -> None:
    spec = resolve("builtin")
    shape = (12, spec.preprocessing.height, spec.preprocessing.width, 3)
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    found = measure(spec, "fp32", pixels, device="cpu", threads=1)
    assert found.vectors.shape == (12, spec.dim)
    assert found.rate > 0
    assert 1_000_000 < found.peak < 2_000_000_000
    assert agreement(found.vectors, found.vectors) == (pytest.approx(1.0), pytest.approx(1.0))


def test_overlap_counts_neighbours_that_are_the_same() -> None:
    rng = np.random.default_rng(1)
    one = rng.normal(size=(30, 8)).astype(np.float32)
    assert overlap(one, one) == 1.0
    assert overlap(one, rng.normal(size=(30, 8)).astype(np.float32)) < 0.7
