"""The sources of a run, opened as the settings say."""

from collections.abc import Sequence
from typing import Any

from pdray.config import Settings
from pdray.sources.columns import Columns
from pdray.sources.opening import open_source
from pdray.sources.protocol import Source
from pdray.sources.storage import Storage

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
