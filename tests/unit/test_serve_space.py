"""Which models are in memory when a server has started."""

from pathlib import Path

import pytest

from pdray.config import load
from pdray.models.random_weights import write_random_clip
from pdray.models.resolve import resolve
from pdray.serve.space import Space, Vectors


def _no_pixels(*_: object) -> Vectors:
    raise AssertionError


@pytest.mark.parametrize(
    ("models", "loaded"),
    [
        ("eager", True),
        ("lazy", False),
        ("builtin", False),
        ("builtin, {folder}", True),
        ("{folder}/../other", True),
    ],
)
def test_those_are_loaded_that_the_setting_names(tmp_path: Path, models: str, loaded: bool) -> None:
    folder = write_random_clip(tmp_path / "other", architecture="tiny-224")
    said = models.format(folder=folder)
    settings = load({"workspace": str(tmp_path / "w"), "serve_models": said})
    space = Space(resolve(str(folder)), settings, _no_pixels)
    try:
        assert space.loaded is loaded
        space.encode_texts(["a star"])
        assert space.loaded
    finally:
        space.close()
