"""The bytes of a unit's images, from their sources."""

from collections.abc import Iterable, Iterator, Sequence

from pdray.catalog.units import Item
from pdray.records import Failure
from pdray.sources.failure import failure
from pdray.sources.protocol import Source


def read(
    sources: Sequence[Source], items: Iterable[Item]
) -> Iterator[tuple[Item, bytes | Failure]]:
    """Each item with its bytes, or with why it can't be read; in order, as they are asked for."""
    for item in items:
        try:
            yield item, sources[item.source].read(item.uri)
        except OSError as error:
            yield item, failure(item.uri, "read", error)
