"""Pictures for the captioner, drawn beside training into files of some thousands: it starts with
the first and takes up what has come since, and a later run finds them all.

Torch is not imported here, so that the process that draws starts quickly.
"""

import random
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdray.samples.captions import simple_caption
from pdray.samples.drawing import render
from pdray.samples.scene import scenes
from pdray.training.lessons import ground_answers, patch_answers
from pdray.training.pictures import fit

# Collections and the built-in CLIP draw from other streams.
STREAM = "captioner"
DRAWN_SIDES = (150, 224)


def draw_chunks(folder: Path, seed: int, chunks: int, size: int, edge: int, grid: int) -> None:
    """Draws what is missing of `chunks` files of `size` pictures. Files are whole or absent."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(chunks):
        path = _path(folder, number)
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            with unfinished.open("wb") as file:
                np.savez(file, **_draw_chunk(seed, number, size, edge, grid))  # type: ignore[arg-type]
            unfinished.replace(path)


class Pictures:
    """The chunks that are there; arrays of a row each: pixels (edge, edge, 3), captions, patches
    (grid * grid, 2) and ground (3)."""

    def __init__(self, folder: Path, chunks: int, size: int) -> None:
        self._folder, self._chunks, self._size = folder, chunks, size
        self._parts: list[dict[str, NDArray[np.generic]]] = []

    def __len__(self) -> int:
        return len(self._parts) * self._size

    def look(self) -> None:
        """Takes up the chunks that have come, in order."""
        while len(self._parts) < self._chunks and _path(self._folder, len(self._parts)).exists():
            with np.load(_path(self._folder, len(self._parts))) as stored:
                self._parts.append({name: stored[name] for name in stored.files})

    def rows(self, numbers: list[int]) -> dict[str, NDArray[np.generic]]:
        """Some rows of all, stacked."""
        picked = [(self._parts[number // self._size], number % self._size) for number in numbers]
        return {name: np.stack([part[name][row] for part, row in picked]) for name in picked[0][0]}


def _path(folder: Path, number: int) -> Path:
    return folder / f"pictures-{number:04d}.npz"


def _draw_chunk(
    seed: int, number: int, size: int, edge: int, grid: int
) -> dict[str, NDArray[np.generic]]:
    rng = random.Random(f"{STREAM}:pictures:{seed}:{number}")
    shown = list(islice(scenes(seed, f"{STREAM}:{number}"), size))
    pixels = []
    for scene in shown:
        side = rng.randint(*DRAWN_SIDES)
        pixels.append(fit(render(scene, (side, side)), edge))
    return {
        "pixels": np.stack(pixels),
        "captions": np.array([simple_caption(scene) for scene in shown]),
        "patches": np.stack([patch_answers(scene, grid) for scene in shown]),
        "ground": np.array([ground_answers(scene) for scene in shown], np.uint8),
    }
