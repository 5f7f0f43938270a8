"""Pairs of pictures and captions to train on: decoded once, kept on disk, drawn by the batch."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pdray.errors import UsageError
from pdray.evaluation.metrics import alike
from pdray.evaluation.reading import Captioned
from pdray.images.errors import ImageError
from pdray.images.examine import decode_pixels
from pdray.records import Preprocessing

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pairs:
    """`pixels` (images, height, width, 3), mapped from a file; text i is of image of[i]."""

    pixels: Pixels
    texts: list[str]
    of: list[int]

    def of_images(self, images: Sequence[int]) -> "Pairs":
        """Some of the images, with their texts."""
        number = {old: new for new, old in enumerate(images)}
        kept = [at for at, image in enumerate(self.of) if image in number]
        return Pairs(
            self.pixels[np.asarray(images)],
            [self.texts[at] for at in kept],
            [number[self.of[at]] for at in kept],
        )

    def also_right(self, texts: Sequence[int]) -> NDArray[np.bool_]:
        """Of a batch of texts, a text for each of as many images: which fit another's image too,
        because they say the same or are of the same image. (batch, batch)
        """
        same = alike([self.texts[at] for at in texts])
        image = np.array([self.of[at] for at in texts])
        found = np.equal(image[:, None], image[None, :])
        for row, others in enumerate(same):
            found[row, others] = True
        np.fill_diagonal(found, False)
        return np.asarray(found, np.bool_)


def load_pairs(read: Captioned, rule: Preprocessing, kept: Path) -> Pairs:
    """Decodes the images as the model wants them into the file `kept`, unless it is there.
    UsageError names an image that can't be decoded.
    """
    shape = (len(read.images), rule.height, rule.width, 3)
    if kept.exists():
        pixels = np.load(kept, mmap_mode="r")
        if pixels.shape == shape:
            return Pairs(pixels, read.texts, read.of)
    unfinished = kept.with_suffix(".unfinished")
    made = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
    for at, path in enumerate(read.images):
        try:
            made[at] = decode_pixels(path.read_bytes(), rule)
        except (ImageError, OSError) as error:
            reason = error.reason if isinstance(error, ImageError) else str(error)
            raise UsageError(
                f"{path} can't be trained on: {reason} Take it out of the captions."
            ) from error
    made.flush()
    unfinished.replace(kept)
    return Pairs(np.load(kept, mmap_mode="r"), read.texts, read.of)


def split(pairs: Pairs, part: float, seed: int) -> tuple[Pairs, Pairs]:
    """(trained on, held out): that part of the images, at least ten. UsageError for fewer than
    twenty."""
    images = list(range(len(pairs.pixels)))
    random.Random(f"held out:{seed}").shuffle(images)
    held = max(10, round(part * len(images)))
    if len(images) - held < 10:
        raise UsageError(
            f"{len(images)} images are too few to train on and to judge by: give twenty or more."
        )
    return pairs.of_images(sorted(images[held:])), pairs.of_images(sorted(images[:held]))


class Draw:
    """Texts of a batch, no image twice in it; every image comes once before any comes again."""

    def __init__(self, pairs: Pairs, seed: str) -> None:
        self._pairs, self._rng = pairs, random.Random(seed)
        self._texts: list[list[int]] = [[] for _ in range(len(pairs.pixels))]
        for text, image in enumerate(pairs.of):
            self._texts[image].append(text)
        self._order: list[int] = []

    def __call__(self, count: int) -> list[int]:
        """So many, or as many as there are images."""
        count = min(count, len(self._texts))
        if len(self._order) < count:
            self._order = [image for image, texts in enumerate(self._texts) if texts]
            self._rng.shuffle(self._order)
        taken, self._order = self._order[:count], self._order[count:]
        return [self._rng.choice(self._texts[image]) for image in taken]
