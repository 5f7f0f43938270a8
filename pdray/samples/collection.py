"""Writes the synthetic collection: JPEG scenes with EXIF, and captions.jsonl beside them."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pdray.errors import UsageError
from pdray.samples.camera import draw_exif
from pdray.samples.captions import full_caption
from pdray.samples.drawing import render
from pdray.samples.scene import Scene, scenes
from pdray.samples.spanish import spanish_caption

CAPTIONS = "captions.jsonl"
# Height over width of the pictures; each is as likely turned on its side.
ASPECTS = ((1, 1), (3, 4), (2, 3), (9, 16))


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture to be: its file name, what it shows, its caption and its size in pixels."""

    file: str
    scene: Scene
    caption: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Collection:
    """What was written: `count` pictures in `folder`, their captions in the file `captions`."""

    folder: Path
    captions: Path
    count: int


def samples(seed: int, sides: tuple[int, int] = (300, 1600)) -> Iterator[Sample]:
    """Endless samples of a seed, no caption twice; sample i is the same however many are taken.

    `sides` are the least and greatest length of a picture's side in pixels.
    """
    for index, scene in enumerate(scenes(seed)):
        rng = random.Random(f"sample:{seed}:{index}")
        caption = full_caption(scene, rng)
        yield Sample(f"scene-{index + 1:06d}.jpg", scene, caption, draw_size(rng, sides))


def draw_size(rng: random.Random, sides: tuple[int, int]) -> tuple[int, int]:
    """A (width, height) of a usual aspect, both sides within `sides`; small ones are likelier."""
    least, most = sides
    short, long = rng.choice(ASPECTS)
    longer = round(least * (most / least) ** rng.random())
    shorter = max(least, longer * short // long)
    return (shorter, longer) if rng.random() < 0.5 else (longer, shorter)


def write_collection(
    out: Path,
    count: int,
    seed: int,
    *,
    sides: tuple[int, int] = (300, 1600),
    spanish: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Collection:
    """Writes `count` JPEG scenes and captions.jsonl (`{"file", "caption"}` a line) into `out`.

    The same seed writes the same bytes, and a larger count only adds files. A file of the same name
    is overwritten. Captions are English or `spanish`. `on_progress(done, count)` is called after
    each picture. UsageError where count or sides make no sense.
    """
    if count < 1 or not 16 <= sides[0] <= sides[1]:
        raise UsageError(
            f"{count} scenes with sides of {sides[0]} to {sides[1]} pixels can't be drawn; "
            "ask for one scene or more, with sides of 16 pixels or more, the lesser first."
        )
    out.mkdir(parents=True, exist_ok=True)
    captions = out / CAPTIONS
    with captions.open("w", encoding="utf-8") as lines:
        for done, sample in enumerate(islice(samples(seed, sides), count), start=1):
            write_sample(out / sample.file, sample, seed)
            caption = spanish_caption(sample.scene) if spanish else sample.caption
            lines.write(json.dumps({"file": sample.file, "caption": caption}) + "\n")
            if on_progress is not None:
                on_progress(done, count)
    return Collection(out, captions, count)


def write_sample(path: Path, sample: Sample, seed: int) -> None:
    """One picture as a JPEG with EXIF."""
    rng = random.Random(f"shot:{seed}:{sample.file}")
    quality = rng.randint(72, 94)
    render(sample.scene, sample.size).save(path, quality=quality, exif=draw_exif(rng))
