"""The sources of a run, opened as the settings say; or those of images that are indexed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from pdray.catalog.units import Item
from pdray.config import Settings
from pdray.errors import PdrayError
from pdray.records import Failure, ImageRef
from pdray.sources.columns import Columns
from pdray.sources.opening import open_source
from pdray.sources.protocol import Source
from pdray.sources.storage import Storage

MEMBER = "!/"  # what stands between a shard and an image in it

# s3fs repeats what botocore has repeated: 25 requests and 37 s for one object while a bucket
# throttles. With these it is 10 requests, and the pauses between tries are our own.
_S3_RETRIES = {"mode": "standard", "total_max_attempts": 2}


def open_sources(
    settings: Settings,
    locations: Sequence[str],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> tuple[Source, ...]:
    """A source for each location, in order. Raises SourceError in one sentence."""
    said = settings.sources
    columns = Columns(said.parquet_image, said.parquet_key, said.parquet_caption)
    storage = storage_of(settings)
    return tuple(
        open_source(location, include=include, exclude=exclude, storage=storage, columns=columns)
        for location in locations
    )


def storage_of(settings: Settings) -> Storage:
    """How remote files are reached: what the settings don't say, the environment does."""
    said = settings.sources
    s3: dict[str, Any] = {"config_kwargs": {"retries": _S3_RETRIES}}
    if said.anonymous:
        s3["anon"] = True
    if said.s3_endpoint:
        s3["endpoint_url"] = said.s3_endpoint
    if said.s3_region:
        s3["client_kwargs"] = {"region_name": said.s3_region}
    if said.s3_key:
        s3["key"] = said.s3_key
    if said.s3_secret:
        s3["secret"] = said.s3_secret.reveal()
    gs: dict[str, Any] = {"token": "anon"} if said.anonymous else {}
    return Storage({"s3": s3, "s3a": s3, "gs": gs, "gcs": gs}, said.private_hosts)


class Origins:
    """Sources for images that the catalog knows, wherever they came from: `sources` has those that
    were needed so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.sources: list[Source] = []
        self._settings = settings
        self._numbers: dict[str, int] = {}

    def reach(self, items: Iterable[Item]) -> Iterator[Item | Failure]:
        """Each item, in order, with the number of its source; or why none reaches it.

        A shard is listed for where its images lie; one that is gone loses all of them.
        """
        for (location, shard), group in groupby(items, key=lambda item: _location(item.uri)):
            try:
                number = self._number(location)
                places = _places(self.sources[number]) if shard else None
            except (OSError, PdrayError) as error:
                for item in group:
                    yield Failure(item.uri, "read", "unreachable", str(error))
                continue
            for item in group:
                place = "" if places is None else places.get(item.uri)
                if place is None:
                    yield Failure(item.uri, "read", "gone", "It is no longer in its shard.")
                else:
                    yield replace(item, source=number, place=place)

    def _number(self, location: str) -> int:
        if location not in self._numbers:
            (source,) = open_sources(self._settings, [location])
            self._numbers[location] = len(self.sources)
            self.sources.append(source)
        return self._numbers[location]


def _location(uri: str) -> tuple[str, bool]:
    """What to open to read an image: its shard, the machine's files, its bucket, or itself; and
    whether that is a shard.
    """
    shard, inside, _ = uri.partition(MEMBER)
    if inside:
        return shard, True
    scheme, _, rest = uri.partition("://")
    if scheme == "file":
        return "file:///", False
    if scheme in ("s3", "s3a", "gs", "gcs"):
        return f"{scheme}://{rest.partition('/')[0]}", False
    return uri, False


def _places(source: Source) -> dict[str, str]:
    return {entry.uri: entry.place for entry in source.list() if isinstance(entry, ImageRef)}
