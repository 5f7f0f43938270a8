"""What every source of images can do, and what a listing says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pdray.records import Failure, ImageRef


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of the tree that could not be listed: nothing under `prefix` may be judged vanished.

    `prefix` is a canonical uri that ends with "/"; `reason` is a sentence for a person.
    """

    prefix: str
    reason: str


@dataclass(frozen=True, slots=True)
class Content:
    """What was read of one image: its bytes, and what the source says beside them."""

    data: bytes
    caption: str | None = None
    extra: str | None = None  # a JSON object of plain values


Entry = ImageRef | Failure | Unreadable


class Listing(Iterator[Entry]):
    """A lazy listing. `ignored` counts the files passed over so far: no images, or not selected."""

    def __init__(self, walk: Callable[["Listing"], Iterator[Entry]]) -> None:
        self.ignored = 0
        self._entries = walk(self)

    def __iter__(self) -> "Listing":
        return self

    def __next__(self) -> Entry:
        return next(self._entries)


class Source(Protocol):
    """A place with images. Implementations are frozen and pickle; they hold no open handle."""

    @property
    def root(self) -> str:
        """Canonical uri that everything listed starts with; a folder's ends with "/"."""

    def list(self) -> Listing:
        """List lazily in an order that depends on names alone; one bad entry never raises."""

    def read(self, uri: str, place: str = "") -> bytes:
        """All bytes of one image. Raises OSError or a subclass (FileNotFoundError, ...).

        `place` is what the listing said (ImageRef.place); without it the image is looked for.
        """

    def fetch(self, refs: Sequence[ImageRef]) -> Iterator[Content | OSError]:
        """The content of each image, or why it can't be read; in order, lazily, never raising.

        They are images of one unit as a listing named them, in the order of uris.
        """

    def covers(self, uri: str) -> bool:
        """Whether a full listing would name this uri if the image were there.

        False for what lies outside the root and for what the patterns leave out, so that an image
        newly excluded is not taken for one that vanished.
        """


def one_by_one(
    read: Callable[[str, str], bytes], refs: Sequence[ImageRef]
) -> Iterator[Content | OSError]:
    """A `fetch` for sources that gain nothing from reading several images together."""
    for ref in refs:
        try:
            yield Content(read(ref.uri, ref.place))
        except OSError as error:
            yield error
