"""From what a user types to a source."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pdray.errors import SourceError
from pdray.sources.bucket import BucketSource, without_credentials
from pdray.sources.columns import Columns
from pdray.sources.container import ContainerSource, Files
from pdray.sources.folder import FileSource, FolderSource
from pdray.sources.plugins import find, open_plugin
from pdray.sources.protocol import Source
from pdray.sources.selection import Selection, is_glob, split_glob
from pdray.sources.storage import Storage
from pdray.sources.uri import to_path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def open_source(
    location: str,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    storage: Storage | None = None,
    columns: Columns | None = None,
) -> Source:
    """The source at a local path, a file:// uri or any fsspec URL; a folder or one image.

    `include` and `exclude` are glob patterns relative to a folder (see `Selection`); `storage` says
    how remote files are reached, `columns` what is where in Parquet files. Raises SourceError in
    one sentence where there is nothing to list. A file:// uri is percent-decoded; other URLs are
    taken as fsspec takes them.
    """
    selection, storage = Selection(tuple(include), tuple(exclude)), storage or Storage()
    if not location:
        raise SourceError("The source is empty; give a folder, an image or a URL.")
    if plugin := _plugin(location):
        return open_plugin(*plugin, selection, storage)
    if "::" in location and _URL.match(location):
        raise SourceError(
            f"{without_credentials(location)} chains file systems, which a source can't; "
            "give the URL of a folder."
        )
    if _URL.match(location) and not location.startswith("file:/"):
        scheme = location.partition(":")[0].lower()
        files: Files = _remote(location, selection, storage.of(scheme))
    else:
        files = _local(location, selection)
    return ContainerSource(files, storage, columns or Columns())


def _plugin(location: str) -> tuple[str, str] | None:
    here = "\0" not in location and os.path.lexists(location)
    return None if here else find(location)


def _remote(location: str, selection: Selection, options: dict[str, Any]) -> Files:
    try:
        return BucketSource.at(location, selection, options)
    except SourceError:
        # In a web address ? and the like are no wildcards; elsewhere a name may hold them.
        if location.startswith("http") or not is_glob(location):
            raise
    folder, glob = split_glob(location)
    if folder.endswith("://"):
        raise SourceError(f"{location} has a wildcard where the bucket is; name one bucket.")
    return BucketSource.at(folder, replace(selection, glob=glob), options)


def _local(location: str, selection: Selection) -> Files:
    path = to_path(location) if location.startswith("file:/") else location
    path = os.path.expanduser(path)  # noqa: PTH111 (a path may hold bytes that are not UTF-8)
    if is_glob(path) and "\0" not in path and not os.path.lexists(path):
        path, glob = split_glob(path)
        path, selection = path or ".", replace(selection, glob=glob)
    try:
        if Path(path).is_dir():
            with os.scandir(path):
                return FolderSource.at(path, selection)
        with Path(path).open("rb"):
            return FileSource.at(path, selection)
    except FileNotFoundError as error:
        raise SourceError(f"{_shown(path)} does not exist; check the path.") from error
    except PermissionError as error:
        raise SourceError(
            f"{_shown(path)} may not be read by this user; change its permissions or the user."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise SourceError(f"{_shown(path)} can't be opened: {error}.") from error


def _shown(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
