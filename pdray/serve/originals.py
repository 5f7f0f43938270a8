"""The original of an image in the catalog, where this process can reach it."""

from pathlib import Path
from typing import Any

from pdray.config import Settings
from pdray.errors import PdrayError
from pdray.ingest.origins import open_sources
from pdray.records import ImageRef
from pdray.serve.problems import Problem
from pdray.sources.uri import to_path

MEMBER = "!/"  # what stands between a shard and an image in it


def original(settings: Settings, payload: dict[str, Any]) -> Path | bytes:
    """A local file as its path, anything else as its bytes.

    Only what was indexed is given: a file that changed since is refused. Raises Problem 409 with
    the reason where the original can't be had.
    """
    uri = payload["uri"]
    shard = uri.partition(MEMBER)[0]
    try:
        (source,) = open_sources(settings, [shard])
        if shard == uri and uri.startswith("file://"):
            found = next(iter(source.list()), None)
            if not isinstance(found, ImageRef) or found.version != payload.get("version"):
                raise Problem(
                    409, "original-changed", "The file changed since it was indexed: index it anew."
                )
            return Path(to_path(uri))
        return source.read(uri)
    except (OSError, PdrayError) as error:
        raise Problem(
            409, "original-unreachable", f"The original can't be reached from here: {error}"
        ) from error
