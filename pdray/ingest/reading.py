"""The bytes of a unit's images, from their sources."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from pdray.catalog.units import Item
from pdray.records import Failure, ImageRef
from pdray.sources.failure import failure
from pdray.sources.protocol import Content, Source


def read(
    sources: Sequence[Source], items: Iterable[Item]
) -> Iterator[tuple[Item, Content | Failure]]:
    """Each item with its content, or with why it can't be read; in order, as they are asked for.

    A source gets a unit's items together, so that it can read neighbours at once.
    """
    for number, group in groupby(items, key=attrgetter("source")):
        some = list(group)
        refs = [ImageRef(item.uri, item.size, item.version, item.place) for item in some]
        for item, found in zip(some, sources[number].fetch(refs), strict=True):
            if isinstance(found, OSError):
                yield item, failure(item.uri, "read", found)
            else:
                yield item, found
