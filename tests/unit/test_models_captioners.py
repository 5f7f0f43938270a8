"""Captioners: the built-in one, someone else's class, and what can't be one."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pdray.errors import ModelUnavailable, PdrayError
from pdray.models.captioners import Captioner, build_captioner, resolve_captioner
from pdray.records import Preprocessing
from pdray.samples.drawing import render
from pdray.samples.scene import scenes
from pdray.training.caption_evaluation import compare
from pdray.training.pictures import fit


class Loud:
    """A captioner of someone else's."""

    preprocessing = Preprocessing(8, 8, "exact", 8)
    version = "1"

    def caption(self, pixels: NDArray[np.uint8], batch_size: int | None = None) -> list[str]:
        return [f"mean {picture.mean():.0f}" for picture in pixels]


class Mute:
    preprocessing = Preprocessing(8, 8, "exact", 8)
    version = "1"


@pytest.fixture(scope="module")
def builtin() -> Captioner:
    return build_captioner(resolve_captioner("builtin"), device="cpu")


def test_the_builtin_captioner_describes_scenes_that_it_never_saw(builtin: Captioner) -> None:
    shown = list(islice(scenes(11, "never seen"), 60))
    pixels = np.stack([fit(render(scene, (224, 224)), 80) for scene in shown])
    figures = compare(shown, builtin.caption(pixels))
    assert figures["exact"] >= 0.85  # 0.971 over 1,000; this is not to be a matter of luck
    assert min(figures["colours"], figures["shapes"]) >= 0.92
    beams = build_captioner(resolve_captioner("builtin", beams=3), device="cpu")
    assert compare(shown[:8], beams.caption(pixels[:8]))["exact"] >= 0.75


def test_what_is_cut_into_batches_reads_the_same(builtin: Captioner) -> None:
    pixels = np.stack([fit(render(s, (200, 200)), 80) for s in islice(scenes(12, "cut"), 5)])
    assert builtin.caption(pixels, batch_size=2) == builtin.caption(pixels, batch_size=5)
    assert builtin.caption(pixels[:0]) == []


def test_a_class_of_someone_else_is_built_by_its_name() -> None:
    spec = resolve_captioner(f"{__name__}:Loud")
    assert (spec.name, spec.preprocessing) == ("Loud", Loud.preprocessing)
    assert build_captioner(spec).caption(np.full((1, 8, 8, 3), 7, np.uint8)) == ["mean 7"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{__name__}:Mute", "no method caption"),
        (f"{__name__}:Nobody", "check its package and its name"),
        ("no.such.package:Class", "check its package and its name"),
        ("/no/such/folder", "no captioner"),
    ],
)
def test_what_is_no_captioner_is_refused_in_one_sentence(name: str, said: str) -> None:
    with pytest.raises(PdrayError, match=said):
        resolve_captioner(name)


def test_a_model_that_finds_is_no_captioner() -> None:
    clip = Path(__file__).parents[2] / "pdray" / "models" / "builtin"
    with pytest.raises(ModelUnavailable, match="type 'clip', no captioner"):
        resolve_captioner(str(clip))
