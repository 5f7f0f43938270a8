"""Pictures for training: rendered, compressed and scaled down as a real collection would be.

Torch is not imported here, so that the processes that draw start quickly.
"""

import io
import multiprocessing
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdray.samples.drawing import render
from pdray.samples.scene import Scene, scenes
from pdray.samples.variation import vary_any

Pixels = NDArray[np.uint8]

# The random stream of training. Collections draw from another, so no seed of theirs meets it.
STREAM = "training"
# Pairs that one task of a drawing process makes.
CHUNK = 256
DRAWN_SIDES = (150, 256)


@dataclass(frozen=True, slots=True)
class Pool:
    """Pictures and what they show; 2k and 2k + 1 are a pair that differs in one attribute.

    `pixels` is uint8 of shape (count, edge, edge, 3).
    """

    pixels: Pixels
    scenes: list[Scene]


def fit(image: Image.Image, edge: int) -> Pixels:
    """Decode as at query time: draft, bicubic to the shorter side, centre crop. (edge, edge, 3)."""
    image.draft("RGB", (edge * 2, edge * 2))
    picture = image.convert("RGB")
    width, height = picture.size
    scale = edge / min(width, height)
    size = (max(edge, int(width * scale)), max(edge, int(height * scale)))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - edge) // 2, (size[1] - edge) // 2
    return np.asarray(picture.crop((left, top, left + edge, top + edge)))


def make_pool(seed: int, pairs: int, edge: int, processes: int) -> Pool:
    """Draws `pairs` pairs. The result depends on seed, pairs and edge, not on `processes`."""
    jobs = [
        (seed, chunk, min(CHUNK, pairs - chunk * CHUNK), edge)
        for chunk in range((pairs + CHUNK - 1) // CHUNK)
    ]
    if processes <= 1:
        parts = [_draw_chunk(job) for job in jobs]
    else:
        # Spawned, because a fork of a process that has started torch's threads can hang.
        with multiprocessing.get_context("spawn").Pool(processes) as workers:
            parts = workers.map(_draw_chunk, jobs, chunksize=1)
    pixels = np.concatenate([part.pixels for part in parts])
    return Pool(pixels, [scene for part in parts for scene in part.scenes])


def _draw_chunk(job: tuple[int, int, int, int]) -> Pool:
    seed, chunk, pairs, edge = job
    rng = random.Random(f"{STREAM}:pictures:{seed}:{chunk}")
    drawn = list(_pairs(islice(scenes(seed, f"{STREAM}:{chunk}"), pairs), rng))
    return Pool(np.stack([_draw(scene, edge, rng) for scene in drawn]), drawn)


def _pairs(source: Iterator[Scene], rng: random.Random) -> Iterator[Scene]:
    for scene in source:
        yield scene
        other = vary_any(scene, rng)
        # Half of the pairs share their look, so that nothing but the attribute tells them apart.
        yield other if rng.random() < 0.5 else replace(other, look=rng.getrandbits(32))


def _draw(scene: Scene, edge: int, rng: random.Random) -> Pixels:
    side = rng.randint(*DRAWN_SIDES)
    picture = render(scene, (side, side))
    if rng.random() < 0.5:
        return fit(picture, edge)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=rng.randint(60, 95))
    with Image.open(data) as compressed:
        return fit(compressed, edge)
