"""The shipped model is small, loads as any CLIP, and finds; training writes such a folder."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoTokenizer, CLIPModel

import pdray.models
from pdray.errors import UsageError
from pdray.samples.captions import facts
from pdray.samples.collection import samples, write_collection
from pdray.samples.scene import scenes
from pdray.training.builtin import Recipe, train_builtin
from pdray.training.evaluation import Encoder, minimal_pairs, recall, short_precision
from pdray.training.loop import Progress
from pdray.training.network import DIM, EDGE
from pdray.training.objective import finding_loss, fits
from pdray.training.pictures import fit

BUILTIN = Path(pdray.models.__file__).parent / "builtin"
SMALL = Recipe(pairs=8, batch_pairs=4, short_texts=6, evaluation_scenes=6, evaluation_pairs=4)
UNSEEN_SEED = 77_001


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two hundred scenes that training never saw, through JPEG and the shipped model."""
    folder = tmp_path_factory.mktemp("scenes")
    write_collection(folder, 200, UNSEEN_SEED, sides=(300, 600))
    drawn = list(islice(samples(UNSEEN_SEED, (300, 600)), 200))
    pixels = []
    for sample in drawn:
        with Image.open(folder / sample.file) as image:
            pixels.append(fit(image, EDGE))
    encoder = Encoder(BUILTIN)
    return {
        "encoder": encoder,
        "scenes": [sample.scene for sample in drawn],
        "pictures": encoder.pictures(pixels),
        "words": encoder.words([sample.caption for sample in drawn]),
    }


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Training sets torch's threads for the whole process: put them back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_the_shipped_folder_is_within_eight_megabytes() -> None:
    assert sum(path.stat().st_size for path in BUILTIN.iterdir()) <= 8_000_000


def test_the_shipped_model_loads_in_float32_without_a_hub() -> None:
    model = CLIPModel.from_pretrained(BUILTIN, local_files_only=True)
    assert model.dtype == torch.float32
    config = AutoConfig.from_pretrained(BUILTIN, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(BUILTIN, local_files_only=True)
    assert config.text_config.eos_token_id == tokenizer.eos_token_id
    assert config.text_config.vocab_size == len(tokenizer)


def test_full_captions_find_unseen_scenes(embedded: dict[str, Any]) -> None:
    assert recall(embedded["words"], embedded["pictures"], 1) >= 0.95
    assert recall(embedded["words"], embedded["pictures"], 10) >= 0.99


def test_the_shipped_model_tells_every_attribute_apart(embedded: dict[str, Any]) -> None:
    accuracy = minimal_pairs(embedded["encoder"], UNSEEN_SEED, 60)
    assert min(accuracy.values()) >= 0.9, accuracy


def test_short_queries_find_what_fits_them(embedded: dict[str, Any]) -> None:
    found = short_precision(embedded["encoder"], embedded["pictures"], embedded["scenes"])
    # Of 200 scenes hardly more than ten fit, so that each miss counts: 0.9 of 1,000 is less here.
    assert found["short_precision_at_10"] >= 0.75, found
    assert found["short_background"] >= 0.9, found


def test_a_text_that_fits_several_pictures_holds_each_against_the_wrong_ones_alone() -> None:
    pictures = torch.eye(3)
    words = torch.tensor([[0.6, 0.8, 0.0]])
    fit_two = torch.tensor([[True, True, False]])
    scale = torch.tensor(5.0)
    # To pictures: softplus(0 - 3) and softplus(0 - 4); to the text: no wrong text, so nothing lost.
    expected = (np.log1p(np.exp(-3.0)) + np.log1p(np.exp(-4.0))) / 2 / 2
    assert float(finding_loss(pictures, words, scale, fit_two)) == pytest.approx(expected, rel=1e-5)


def test_a_text_fits_the_scenes_that_have_all_it_claims() -> None:
    one, two = islice(scenes(5, "fits"), 2)
    claims = [facts(one), facts(one) | facts(two), frozenset[str]()]
    assert fits(claims, [one, two]).tolist() == [[True, False], [False, False], [True, True]]


def test_padding_does_not_change_a_text(embedded: dict[str, Any]) -> None:
    encoder = embedded["encoder"]
    alone = encoder.words(["a red star"])
    beside = encoder.words(["a red star", "a large blue heart above a small green ring on white"])
    assert np.abs(alone[0] - beside[0]).max() < 1e-5


def test_recall_counts_the_rank_of_the_right_row() -> None:
    words = np.eye(3, dtype=np.float32)
    pictures = np.array([[1, 0, 0], [0, 0.5, 0.9], [0, 0.9, 0.5]], dtype=np.float32)
    assert recall(words, pictures, 1) == pytest.approx(1 / 3)
    assert recall(words, pictures, 2) == 1.0


def test_a_killed_training_goes_on_where_it_was_and_ends_in_a_folder_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdray.training.loop.CHECKPOINT_SECONDS", 0.0)
    out, seen = tmp_path / "model", list[Progress]()

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 2:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"seed": 3, "steps": 3, "threads": 1, "recipe": SMALL}
    with pytest.raises(KeyboardInterrupt):
        train_builtin(out, on_progress=stop, **options)
    figures = train_builtin(out, on_progress=seen.append, **options)
    assert [progress.step for progress in seen] == [1, 2, 3]
    assert seen[-1].fraction == 1.0
    assert np.isfinite(list(seen[-1].losses.values())).all()
    assert 0.0 <= figures["recall_at_10"] <= 1.0
    assert figures["steps"] == 3
    card = (out / "README.md").read_text()
    assert f"| {figures['pair_shape']:.3f} |" in card
    assert "--seed 3 --steps 3" in card
    assert not (out / "training.pt").exists()
    assert Encoder(out).words(["a red star"]).shape == (1, DIM)


def test_the_same_seed_and_steps_train_the_same_weights(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_builtin(tmp_path / name, seed=5, steps=2, threads=1, recipe=SMALL)
    first = (tmp_path / "one" / "model.safetensors").read_bytes()
    assert first == (tmp_path / "two" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("limits", [{"steps": 0}, {"minutes": 0.0}, {"minutes": -1.0}])
def test_training_without_time_is_a_usage_error(tmp_path: Path, limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="ask for more"):
        train_builtin(tmp_path, seed=1, **limits)
