"""Marks of the attempts under way: what a process that died had in its hands.

    attempts/<collection>/<unit>-<attempt>.json

A worker makes a mark before it begins a unit and takes it away when the unit is committed. Ray
retries a unit whose process died for ever, and a run that was killed begins again with other units;
both find the marks of the dead and know which images were in hand, and how often. That an image was
in hand says little (its neighbour, or a power cut, may be to blame), so it is only a suspicion.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Unit

Deaths = Mapping[tuple[str, str], int]  # (uri, version) -> processes that died with it in hand


@dataclass(frozen=True, slots=True)
class Left:
    """The marks that earlier runs left, and what they say. Remove them when a run has ended well:
    then every image that they name was read, or is there no more.
    """

    catalog: Catalog
    paths: tuple[str, ...]
    deaths: Deaths

    def remove(self) -> None:
        """Deletes the marks."""
        for path in self.paths:
            self.catalog.store.delete(path)


def left(catalog: Catalog, collection: str) -> Left:
    """Call it under the collection's lease: then no live run has marks."""
    paths = tuple(catalog.store.list(_folder(collection), ".json"))
    return Left(catalog, paths, _deaths(catalog, paths))


def begin(
    catalog: Catalog, collection: str, run_id: str, unit: Unit, attempt: str, suspects: Deaths
) -> tuple[dict[str, int], int]:
    """Marks an attempt. Gives the deaths of the unit's images by uri, those of none left out, and
    how many attempts at this unit the run has lost.
    """
    prefix = f"{_folder(collection)}/{unit.unit_id}-"
    earlier = [p for p in catalog.store.list(_folder(collection), ".json") if p.startswith(prefix)]
    known = _deaths(catalog, earlier)
    keys = [(item.uri, item.version) for item in unit.items]
    deaths = {key: max(known.get(key, 0), suspects.get(key, 0)) for key in keys}
    document = {"run_id": run_id, "images": [[*key, number] for key, number in deaths.items()]}
    catalog.create(_path(collection, unit.unit_id, attempt), json.dumps(document).encode())
    lost = sum(1 for path in earlier if _read(catalog, path).get("run_id") == run_id)
    return {uri: number for (uri, _), number in deaths.items() if number}, lost


def end(catalog: Catalog, collection: str, unit_id: str) -> None:
    """Takes away all marks of a unit that is committed, by whichever attempt."""
    prefix = f"{_folder(collection)}/{unit_id}-"
    for path in catalog.store.list(_folder(collection), ".json"):
        if path.startswith(prefix):
            catalog.store.delete(path)


def _deaths(catalog: Catalog, paths: tuple[str, ...] | list[str]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for path in paths:
        for uri, version, before in _read(catalog, path).get("images", []):
            key = (uri, version)
            found[key] = max(found.get(key, 0), before + 1)
    return found


def _read(catalog: Catalog, path: str) -> dict[str, Any]:
    try:
        document = json.loads(catalog.store.read(path))
    except (FileNotFoundError, ValueError):
        return {}  # just taken away
    return document if isinstance(document, dict) else {}


def _folder(collection: str) -> str:
    return f"attempts/{collection}"


def _path(collection: str, unit_id: str, attempt: str) -> str:
    return f"{_folder(collection)}/{unit_id}-{attempt}.json"
