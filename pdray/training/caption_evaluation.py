"""How well a captioner's folder describes scenes that it never saw, on JPEG files read back."""

import re
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from pdray.images.examine import decode_pixels
from pdray.models.captioners import build_captioner, resolve_captioner
from pdray.samples.captions import simple_caption
from pdray.samples.collection import samples, write_sample
from pdray.samples.scene import COLOURS, SHAPES, Scene

SEED = 20_260_101
_THING = re.compile(rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})(?:e?s)?\b")


def evaluate_captioner(
    folder: Path, count: int = 1000, seed: int = SEED, *, beams: int = 1
) -> dict[str, float]:
    """Shares, 0 to 1, over `count` scenes of a stream that training never uses.

    `exact`: the caption is word for word the scene's simple caption; `colours` and `shapes`: of all
    things in all scenes, those whose colour or shape is named where the simple caption names it;
    `background`: the words after " on ".
    """
    captioner = build_captioner(resolve_captioner(str(folder), beams=beams), device="cpu")
    rule = resolve_captioner(str(folder)).preprocessing
    shown: list[Scene] = []
    pixels = []
    with tempfile.TemporaryDirectory() as scratch:
        for sample in islice(samples(seed), count):
            path = Path(scratch) / sample.file
            write_sample(path, sample, seed)
            pixels.append(decode_pixels(path.read_bytes(), rule))
            path.unlink()
            shown.append(sample.scene)
    return compare(shown, captioner.caption(np.stack(pixels)))


def compare(shown: Sequence[Scene], captions: Sequence[str]) -> dict[str, float]:
    """The figures of `evaluate_captioner` for these captions of these scenes."""
    exact = background = colours = shapes = things = 0
    for scene, caption in zip(shown, captions, strict=True):
        wanted = simple_caption(scene)
        exact += caption == wanted
        background += caption.partition(" on ")[2] == wanted.partition(" on ")[2]
        said = _THING.findall(caption.partition(" on ")[0])
        for index, thing in enumerate(scene.things):
            colour, shape = said[index] if index < len(said) else ("", "")
            things += 1
            colours += colour == thing.colour
            shapes += shape == thing.shape
    return {
        "exact": exact / len(shown),
        "colours": colours / things,
        "shapes": shapes / things,
        "background": background / len(shown),
    }
