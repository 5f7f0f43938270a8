"""The bytes of a unit's images, from their sources."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from pdray.catalog.units import Item
from pdray.records import Failure, ImageRef
from pdray.sources.failure import failure
from pdray.sources.protocol import Content, Source
from pdray.sources.transient import transient_kind

_PAUSES = (0.5, 2.0, 6.0)
_MOST = 60.0


@dataclass(slots=True)
class Patience:
    """How long a unit waits for a server that falters.

    `pauses` are the seconds before each further try of one image. All of the unit's waits and
    further tries (a client has retries of its own) begin within `left` seconds: a server that is
    down must not hold every image up in turn.
    """

    pauses: tuple[float, ...] = _PAUSES
    left: float = _MOST
    sleep: Callable[[float], None] = field(default=time.sleep)
    clock: Callable[[], float] = field(default=time.monotonic)

    def tries(self) -> Iterator[None]:
        """Once for each further try, after its pause."""
        for pause in self.pauses:
            wait = pause * random.uniform(0.5, 1.5)  # workers that failed together spread out
            if wait > self.left:
                return
            self.left -= wait
            self.sleep(wait)
            began = self.clock()
            yield
            self.left -= self.clock() - began


def read(
    sources: Sequence[Source], items: Iterable[Item], patience: Patience | None = None
) -> Iterator[tuple[Item, Content | Failure]]:
    """Each item with its content, or with why it can't be read; in order, as they are asked for.

    A source gets a unit's items together, so that it can read neighbours at once. What failed by a
    fault that passes (see `transient`) is tried again.
    """
    patience = patience or Patience()
    for number, group in groupby(items, key=attrgetter("source")):
        some, source = list(group), sources[number]
        refs = [ImageRef(item.uri, item.size, item.version, item.place) for item in some]
        for item, ref, found in zip(some, refs, source.fetch(refs), strict=True):
            if isinstance(found, OSError):
                found = _again(source, ref, found, patience)
            if isinstance(found, OSError):
                yield item, failure(item.uri, "read", found)
            else:
                yield item, found


def _again(
    source: Source, ref: ImageRef, found: Content | OSError, patience: Patience
) -> Content | OSError:
    """The content after all, or why not, while the fault is one that passes."""
    tries = patience.tries()
    while isinstance(found, OSError) and transient_kind(found):
        if next(tries, False) is False:
            break
        (found,) = source.fetch([ref])
    return found
