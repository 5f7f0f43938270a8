"""Images that a table names by URL."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pdray.errors import SourceError
from pdray.sources.failure import Damaged
from pdray.sources.storage import Storage
from pdray.sources.uri import to_path

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_REMOTE = ("http", "https", "s3", "gs")


def read_urls(storage: Storage, shard: str, urls: Sequence[str]) -> Sequence[bytes | OSError]:
    """The file of each URL, in order; those of one scheme are asked for together.

    Files of this machine (file:// and paths, which start from the table's folder) are read for a
    table on this machine alone: one from elsewhere must not choose what is read here.
    """
    by_scheme: dict[str, list[int]] = defaultdict(list)
    for at, url in enumerate(urls):
        found = _SCHEME.match(url)
        by_scheme[found[1].lower() if found else "file"].append(at)
    data: dict[int, bytes | OSError] = {}
    for scheme, some in by_scheme.items():
        if scheme == "file":
            data |= {at: _local(shard, urls[at]) for at in some}
        elif scheme in _REMOTE:
            data |= dict(zip(some, storage.read([urls[at] for at in some]), strict=True))
        else:
            data |= {at: Damaged(f"URLs of {scheme} are not read from a table.") for at in some}
    return [data[at] for at in range(len(urls))]


def _local(shard: str, url: str) -> bytes | OSError:
    if not shard.startswith("file:/"):
        return Damaged("A table from elsewhere names a file of this machine, which is not read.")
    try:
        path = Path(to_path(url) if url.startswith("file:") else url)
        return (Path(to_path(shard)).parent / path).read_bytes()
    except OSError as error:
        return error
    except (SourceError, ValueError) as error:  # ValueError: a null byte
        return Damaged(f"The path can't be read: {error}")
