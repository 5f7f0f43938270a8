"""A BLIP learns another way to say what it sees."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdray.evaluation.reading import Captioned
from pdray.images.examine import decode_pixels
from pdray.models.captioners import build_captioner, resolve_captioner
from pdray.samples.captions import simple_caption
from pdray.samples.collection import samples, write_collection
from pdray.samples.scene import Scene
from pdray.samples.spanish import spanish_caption
from pdray.training.finetuning import Tuning, finetune
from pdray.training.loop import Progress
from tests.command import environment, forked

COUNT, SIDES = 140, (100, 160)
OPTIONS: dict[str, Any] = {"threads": 1, "device": "cpu"}


def turned(scene: Scene) -> str:
    """The background first: words that the built-in captioner knows, in an order it never saw."""
    what, _, ground = simple_caption(scene).partition(" on ")
    return f"{ground}, {what}"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    write_collection(folder, COUNT, 41, sides=SIDES)
    return sorted(folder.glob("*.jpg"))


@pytest.fixture(scope="module")
def reworded(pictures: list[Path]) -> Captioned:
    texts = [turned(sample.scene) for sample in islice(samples(41, SIDES), COUNT)]
    return Captioned(pictures, texts, list(range(COUNT)))


def test_the_builtin_captioner_learns_another_wording_for_scenes_it_never_saw(
    reworded: Captioned, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    tuning = Tuning(batch=16, looks=1, held_out=0.2, learning_rate=1.5e-3)
    found = finetune(
        resolve_captioner("builtin"), reworded, out, steps=50, tuning=tuning, **OPTIONS
    )
    before, after = found["before"]["taught"], found["after"]["taught"]
    assert before["exact"] == 0.0
    assert before["loss"] > 3
    assert after["loss"] < 0.6
    assert after["exact"] > 0.2
    assert min(before["words"], after["words"]) > 0.7  # in whatever order
    assert json.loads((out / "finetuning.json").read_text())["after"] == found["after"]
    # What was measured is what whoever uses the folder gets.
    spec = resolve_captioner(str(out))
    captioner = build_captioner(spec, device="cpu", precision="fp32")
    some = [decode_pixels(path.read_bytes(), spec.preprocessing) for path in reworded.images[:60]]
    said = captioner.caption(np.stack(some))
    # As they are written: the tokenizer sets commas off, transformers puts them back.
    right = sum(one == text for one, text in zip(said, reworded.texts[:60], strict=True))
    assert right >= 12


def test_words_that_fall_into_letters_become_tokens_and_a_killed_tuning_goes_on(
    pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdray.training.loop.CHECKPOINT_SECONDS", 0.0)
    texts = [spanish_caption(sample.scene) for sample in islice(samples(41, SIDES), COUNT)]
    spanish = Captioned(pictures, texts, list(range(COUNT)))
    out, seen = tmp_path / "model", list[Progress]()

    def stop(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == 2:
            raise KeyboardInterrupt

    spec = resolve_captioner("builtin")
    options: dict[str, Any] = {"steps": 4, "tuning": Tuning(batch=8, looks=2), **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        finetune(spec, spanish, out, on_progress=stop, **options)
    found = finetune(spec, spanish, out, on_progress=seen.append, **options)
    assert [progress.step for progress in seen] == [1, 2, 3, 4]
    assert found["after"]["taught"]["loss"] < found["before"]["taught"]["loss"]
    made = resolve_captioner(str(out))
    assert made.key != spec.key
    assert len(build_captioner(made, device="cpu").caption(np.zeros((1, 80, 80, 3), np.uint8))) == 1
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(out)
    assert "sobre" in tokenizer.tokenize("Corazones SOBRE un fondo")
    longest = max(len(tokenizer(text)["input_ids"]) for text in texts)
    assert longest <= made.longest + 2  # else no caption could be right


def test_adapters_of_a_blip_leave_its_words_alone(reworded: Captioned, tmp_path: Path) -> None:
    import torch
    from transformers import BlipForConditionalGeneration

    spec = resolve_captioner("builtin")
    tuning = Tuning(batch=8, looks=1, lora=4, learning_rate=0.02)
    finetune(spec, reworded, tmp_path / "out", steps=3, tuning=tuning, **OPTIONS)
    from pdray.models.resolve import folder_of

    before, after = (
        BlipForConditionalGeneration.from_pretrained(one, dtype=torch.float32).state_dict()
        for one in (folder_of(spec), tmp_path / "out")
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not [name for name in changed if "embeddings" in name or name.endswith("bias")]


def test_one_model_learns_at_a_time(tmp_path: Path) -> None:
    names = ("--model", "builtin", "--captioner", "builtin")
    said = forked(["finetune", tmp_path / "no.jsonl", tmp_path / "out", *names], environment())
    assert said.code == 2
    assert "leave --model or --captioner out" in said.sentence
