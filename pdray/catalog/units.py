"""Cutting work into units, and naming them: functions of values only.

A unit is the grain of streaming, retry, commit and progress. Its name is a hash of what it holds
and of what it supersedes (the sequence numbers), never of the attempt, so that two attempts at the
same work meet at the same commit, while the same file indexed anew is new work.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_IMAGES = 512
LEAST_IMAGES = 16
LAST_IMAGES = 64  # of the units at the end of a run
MAX_PIXEL_BYTES = 64 * 2**20
MAX_FILE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Item:
    """One image to read. `seq` is what its row will carry; the rest is what the catalog knew."""

    uri: str
    size: int
    version: str
    seq: int
    source: int  # which of the run's sources lists it
    image_id: str | None = None  # carried forward; None at first sight
    content_id: str | None = None  # of the live row, where that row is whole
    born: int = 0  # goes into a new image id where the uri's first id lives on elsewhere
    place: str = ""  # as in ImageRef


@dataclass(frozen=True, slots=True)
class Unit:
    """Images that are read, embedded and committed together."""

    unit_id: str
    items: tuple[Item, ...]


def unit_id(collection: str, pipeline: str, items: Iterable[Item]) -> str:
    """32 hex digits. Independent of the order of items and of the attempt."""
    digest = hashlib.sha256()
    digest.update(f"{collection}\n{pipeline}\n".encode())
    for line in sorted(f"{item.uri}\n{item.version}\n{item.seq}\n" for item in items):
        digest.update(line.encode())
    return digest.hexdigest()[:32]


def unit_images(total: int, workers: int, pixel_bytes: int, most: int = MAX_IMAGES) -> int:
    """How many images a unit should hold.

    At most `most` and MAX_PIXEL_BYTES of pixels; fewer in a small run, so that every worker gets
    several units and none waits long for the last; never fewer than LEAST_IMAGES, below which the
    fixed cost of a unit (three durable files) shows.
    """
    fitting = max(1, min(most, MAX_PIXEL_BYTES // max(1, pixel_bytes)))
    share = -(-total // max(1, 8 * workers))
    return min(fitting, max(LEAST_IMAGES, share))


def cut(
    items: Iterable[Item],
    *,
    collection: str,
    pipeline: str,
    images: int,
    total: int | None = None,
    workers: int = 1,
) -> Iterator[Unit]:
    """Cuts a stream of items into units, in order, by images and by bytes of files.

    Where it is known how many come in all, the last units are ever smaller, so that the workers end
    together (guided self-scheduling, Polychronopoulos and Kuck 1987).
    """
    held: list[Item] = []
    size = done = 0
    most = _tapered(images, total, workers)
    for item in items:
        if held and (len(held) >= most or size + item.size > MAX_FILE_BYTES):
            yield Unit(unit_id(collection, pipeline, held), tuple(held))
            done += len(held)
            held, size = [], 0
            most = _tapered(images, None if total is None else total - done, workers)
        held.append(item)
        size += max(0, item.size)
    if held:
        yield Unit(unit_id(collection, pipeline, held), tuple(held))


def _tapered(images: int, left: int | None, workers: int) -> int:
    """Images of the next unit: a third of each worker's share of what is left, at the end."""
    if left is None:
        return images
    return min(images, max(LAST_IMAGES, -(-left // (3 * workers))))
