"""A CLIP learns what people say of their own images, and keeps what it must not forget."""

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned, read_captions
from pdray.models.captioners import resolve_captioner
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from pdray.samples.scene import scenes
from pdray.samples.spanish import spanish_caption
from pdray.training.finetuning import Judged, Tuning, finetune
from pdray.training.loop import Progress
from pdray.training.pairs import Draw, Pairs, split
from tests.families import write_clip, write_metaclip_2

COUNT = 60
SMALL = Tuning(batch=12, looks=2, held_out=0.2)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Captioned:
    folder = tmp_path_factory.mktemp("taught")
    return read_captions(
        write_collection(folder, COUNT, 31, sides=(100, 160), spanish=True).captions
    )


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Captioned:
    folder = tmp_path_factory.mktemp("rehearsed")
    return read_captions(write_collection(folder, COUNT, 32, sides=(100, 160)).captions)


def pairs(texts: list[str], of: list[int]) -> Pairs:
    """Pairs of empty pictures, each marked with its number."""
    count = max(of) + 1
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(count)
    return Pairs(pixels, texts, of)


def test_every_meaning_has_its_own_spanish_sentence() -> None:
    assert len({spanish_caption(scene) for scene in islice(scenes(8), 2000)}) == 2000


def test_a_batch_has_no_image_twice_and_all_come_before_any_comes_again() -> None:
    some = pairs([f"{at}" for at in range(20)], [at // 2 for at in range(20)])
    draw = Draw(some, "seed")
    first, second = draw(5), draw(5)
    images = [some.of[at] for at in first + second]
    assert sorted(images) == list(range(10))


def test_texts_that_fit_another_image_of_the_batch_are_neither_right_nor_wrong() -> None:
    some = pairs(["a star", "A  star", "a ring", "one more ring"], [0, 1, 2, 2])
    expected = np.zeros((3, 3), bool)
    expected[0, 1] = expected[1, 0] = True
    assert (some.also_right([0, 1, 2]) == expected).all()


def test_what_is_held_out_is_not_trained_on() -> None:
    some = pairs([f"{at}" for at in range(40)], list(range(40)))
    train, held = split(some, 0.25, seed=3)
    marks = [set(part.pixels[:, 0, 0, 0].tolist()) for part in (train, held)]
    assert (len(marks[0]), len(marks[1])) == (30, 10)
    assert not marks[0] & marks[1]
    for part in (train, held):
        said = [int(text) for text in part.texts]
        assert said == part.pixels[part.of, 0, 0, 0].tolist()
    with pytest.raises(UsageError, match="12 images are too few"):
        split(pairs([f"{at}" for at in range(12)], list(range(12))), 0.1, 0)


def test_a_gain_counts_only_where_what_is_rehearsed_is_kept() -> None:
    start = Judged(0.1, 0.9)
    assert Judged(0.5, 0.89).better_than(start, start)
    assert not Judged(0.5, 0.80).better_than(Judged(0.3, 0.89), start)
    assert Judged(0.5, None).better_than(Judged(0.4, None), Judged(0.1, None))


def test_a_killed_tuning_goes_on_and_ends_in_a_folder_that_loads(
    taught: Captioned, rehearsed: Captioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdray.training.loop.CHECKPOINT_SECONDS", 0.0)
    out, seen = tmp_path / "model", list[Progress]()

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 2:
            raise KeyboardInterrupt

    spec = resolve("builtin")
    options: dict[str, Any] = {"rehearse": rehearsed, "steps": 4, "threads": 1, "tuning": SMALL}
    options["device"] = "cpu"
    with pytest.raises(KeyboardInterrupt):
        finetune(spec, taught, out, on_progress=stop, **options)
    with pytest.raises(UsageError, match="unfinished training of other captions"):
        finetune(spec, taught, out, **options, seed=1)
    with pytest.raises(UsageError, match="unfinished training of other captions"):
        finetune(spec, rehearsed, out, **options)
    found = finetune(spec, taught, out, on_progress=seen.append, **options)
    assert [progress.step for progress in seen] == [1, 2, 3, 4]
    assert set(seen[-1].losses) == {"taught", "rehearsed"}
    assert found["held_out"] == 12
    assert found["after"]["taught"]["r1"] >= found["before"]["taught"]["r1"]
    assert set(found["after"]) == {"taught", "rehearsed"}
    assert not [path for path in out.iterdir() if path.suffix in (".npy", ".pt", ".unfinished")]
    assert len({path.stat().st_mode for path in out.iterdir()}) == 1  # whoever reads one reads all
    assert not (out / "training.of").exists()
    with pytest.raises(UsageError, match="isn't empty"):
        finetune(spec, taught, out, **options)
    made = resolve(str(out))
    assert made.dim == spec.dim
    assert made.space != spec.space
    assert json.loads((out / "finetuning.json").read_text())["from"] == "builtin"


@pytest.mark.parametrize("write", [write_clip, write_metaclip_2])
def test_adapters_learn_in_the_weights_place_and_are_added_to_them(
    taught: Captioned, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    from transformers import AutoModel

    source = write(tmp_path / "tiny")
    out = tmp_path / "out"
    tuning = Tuning(batch=8, looks=1, lora=4, learning_rate=0.05, held_out=0.2)
    finetune(resolve(str(source)), taught, out, steps=3, threads=1, device="cpu", tuning=tuning)
    before, after = (AutoModel.from_pretrained(one).state_dict() for one in (source, out))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert all(name.endswith(".weight") and ".encoder.layers." in name for name in changed)


def test_only_clip_and_blip_are_tuned(taught: Captioned, tmp_path: Path) -> None:
    from dataclasses import replace

    siglip = replace(resolve("builtin"), model_type="siglip")
    with pytest.raises(UsageError, match="only CLIP and MetaCLIP 2 can be fine-tuned"):
        finetune(siglip, taught, tmp_path / "out", steps=1)
    own = replace(resolve_captioner("builtin"), kind="package.module:Class")
    with pytest.raises(UsageError, match="only BLIP can be fine-tuned"):
        finetune(own, taught, tmp_path / "out", steps=1)
