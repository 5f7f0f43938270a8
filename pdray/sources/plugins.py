"""Sources of other packages: a name from an entry point, or `package.module:Class=LOCATION`."""

import re
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pdray.errors import PdrayError, SourceError
from pdray.sources.chain import first_line
from pdray.sources.protocol import Source
from pdray.sources.selection import Selection
from pdray.sources.storage import Storage

GROUP = "pdray.sources"

# What pdray opens itself; an installed package can't take these names over.
OWN = ("file", "s3", "s3a", "gs", "gcs", "http", "https")

_PARTS = ("root", "list", "read", "fetch", "covers")
_CLASS = re.compile(r"([A-Za-z_][\w.]*:[A-Za-z_]\w*)=(.*)", re.DOTALL)
_NAME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)

Opener = Callable[[str, Selection, Storage], Source]


def find(location: str) -> tuple[str, str] | None:
    """("package.module:Class", what its `at` is given) of a location; None: it is pdray's own.

    A class that is named by an installed package's entry point gets the location whole.
    """
    named = _CLASS.fullmatch(location)
    if named:
        return named[1], named[2]
    scheme = _NAME.match(location)
    if scheme is None or scheme[1].lower() in OWN:
        return None
    for entry in entry_points(group=GROUP, name=scheme[1].lower()):
        return entry.value, location
    return None


def open_plugin(target: str, location: str, selection: Selection, storage: Storage) -> Source:
    """What the class's `at` makes of the location. Raises SourceError in one sentence."""
    try:
        source = _load(target)(location, selection, storage)
        missing = [name for name in _PARTS if not hasattr(source, name)]
    except PdrayError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {first_line(error)}"
        raise SourceError(
            f"The source {target} can't be opened ({why}); check its package and the location."
        ) from error
    if missing:
        raise SourceError(
            f"{target} is no source: it has no {', '.join(missing)} (see pdray.sources.Source)."
        )
    return source


def _load(target: str) -> Opener:
    module, _, name = target.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    opener: Opener = found.at
    return opener
