"""The built-in captioner: what it is taught, how it is judged, and a few steps of its training."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdray.errors import UsageError
from pdray.models.captioners import build_captioner, resolve_captioner
from pdray.samples.captions import simple_caption
from pdray.samples.scene import COLOURS, SHAPES, Ground, Scene, Thing, scenes
from pdray.training.caption_evaluation import compare
from pdray.training.captioning import CaptionRecipe, train_captioner
from pdray.training.lessons import patch_answers
from pdray.training.loop import Progress

RED_STAR = Thing("star", "red", "striped", "large")
BLUE_RING = Thing("ring", "blue", "plain", "small")
SMALL = CaptionRecipe(chunks=1, pictures=16, batch=8, evaluation_scenes=4)


@pytest.mark.parametrize(
    ("scene", "words"),
    [
        (
            Scene("pair", (RED_STAR, BLUE_RING), 2, "beside", Ground("plain", "orange")),
            "a red star left of a blue ring on an orange background",
        ),
        (
            Scene("several", (Thing("cross", "pink", "plain"),), 3, "row",
                  Ground("dotted", "brown", "white")),
            "three pink crosses on a brown background with white dots",
        ),
        (
            Scene("single", (RED_STAR,), 1, "top left", Ground("gradient", "green", "white")),
            "a red star on a background fading from green to white",
        ),
    ],
)  # fmt: skip
def test_the_simple_caption_says_colours_shapes_relation_and_background(
    scene: Scene, words: str
) -> None:
    assert simple_caption(scene) == words


def test_each_patch_knows_the_thing_that_covers_its_middle() -> None:
    scene = Scene("single", (RED_STAR,), 1, "top left", Ground("plain", "white"))
    answers = patch_answers(scene, 10).reshape(10, 10, 2)
    assert answers[2, 2].tolist() == [SHAPES.index("star"), list(COLOURS).index("red")]
    assert answers[8, 8].tolist() == [len(SHAPES), len(COLOURS)]


def test_figures_count_what_is_named_right_thing_by_thing() -> None:
    shown = list(islice(scenes(3, "figures"), 40))
    right = [simple_caption(scene) for scene in shown]
    assert compare(shown, right) == {"exact": 1.0, "colours": 1.0, "shapes": 1.0, "background": 1.0}
    pair = [Scene("pair", (RED_STAR, BLUE_RING), 2, "above", Ground("plain", "white"))]
    said = ["a red star above a green ring on a grey background"]
    assert compare(pair, said) == {"exact": 0.0, "colours": 0.5, "shapes": 1.0, "background": 0.0}


def test_a_killed_training_goes_on_where_it_was_and_ends_in_a_folder_that_describes(
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
        train_captioner(out, on_progress=stop, **options)
    figures = train_captioner(out, on_progress=seen.append, **options)
    assert [progress.step for progress in seen] == [1, 2, 3]
    assert figures["steps"] == 3
    assert "--captioner --seed 3 --steps 3" in (out / "README.md").read_text("utf-8")
    assert {path.name for path in out.iterdir()}.isdisjoint({"pictures", "training.pt"})
    captioner = build_captioner(resolve_captioner(str(out), longest=5), device="cpu")
    rng = np.random.default_rng(0)
    said = captioner.caption(rng.integers(0, 255, (3, 80, 80, 3), dtype=np.uint8))
    assert len(said) == 3


def test_training_without_time_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ask for more"):
        train_captioner(tmp_path, steps=0)
