"""Copies of a workspace, taken while runs go on, and brought back.

Files are written once, and a row part after everything that it names. So a copy is whole if the row
parts are listed first and copied last: what they name is there when the rest is listed, and a copy
that is cut off has no row without its files. A file that a compaction took meanwhile makes it list
again. A later copy to the same place takes only what is new, and removes what is gone (forgotten
images too).

    <copy>/backup.json      "copying" or "complete", and the format of the workspace
    <copy>/people.jsonl     what people say of the images, a line an image
    <copy>/collections, embeddings, thumbs, floors, runs, uploads    as in the workspace

Leases and the index stay behind: nobody runs on a copy, and `pdray rebuild` makes the index anew.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pdray.catalog import schema
from pdray.catalog.catalog import Catalog
from pdray.catalog.store import Store, open_store
from pdray.errors import CatalogError

_MARK = "backup.json"
_FIRST = ("floors", "collections")  # listed first and copied last
_REST = ("embeddings", "captions", "thumbs", "runs", "uploads")
_AT_ONCE = 8
_TRIES = 10

Sizes = dict[str, int]  # by path
Watch = Callable[[int, int], None]


@dataclass(slots=True)
class Copied:
    """What a copy holds, and how much of it was not there before."""

    files: int = 0
    bytes: int = 0
    new: int = 0
    removed: int = 0


def backup(
    catalog: Catalog,
    url: str,
    watch: Watch = lambda done, of: None,
    beside: Mapping[str, bytes] | None = None,
) -> Copied:
    """Brings the copy at `url` up to date, or makes it. `beside` are small files that belong to it
    and lie elsewhere, by the name that they have in the copy. Raises CatalogError.
    """
    target = open_store(url)
    source = catalog.store
    if f"{target.url}/".startswith(f"{source.url}/") or f"{source.url}/".startswith(
        f"{target.url}/"
    ):
        raise CatalogError(f"{target.url} is in the workspace or around it: name another place.")
    return _copy(source, target, catalog_format(source), watch, beside or {})


def restore(
    url: str,
    workspace: str,
    watch: Watch = lambda done, of: None,
    last: Callable[[Store], None] = lambda source: None,
) -> Copied:
    """Makes a workspace from the copy at `url`. Raises CatalogError where there is one already.
    `last` brings back what lay beside it; where that raises it is no workspace yet, and the same
    call goes on.
    """
    source, target = open_store(url), open_store(workspace)
    mark = _mark(source)
    if mark is None:
        raise CatalogError(f"{source.url} is no backup: name what `pdray backup` wrote to.")
    if mark.get("state") != "complete":
        raise CatalogError(
            f"The backup at {source.url} was cut off: run `pdray backup` to it again."
        )
    if mark["format"] > schema.FORMAT:
        raise CatalogError(
            f"The backup at {source.url} has format {mark['format']}, this pdray reads up to "
            f"{schema.FORMAT}. Install a newer pdray."
        )
    if _exists(target, "format.json"):
        raise CatalogError(
            f"{target.url} holds a workspace already: name an empty place with --workspace."
        )
    done = _copy(source, target, mark["format"], watch, {})
    last(source)
    # Only now is it a workspace.
    target.create("format.json", json.dumps({"format": mark["format"]}).encode())
    target.delete(_MARK)
    return done


def catalog_format(store: Store) -> int:
    """The format of an open workspace."""
    return int(json.loads(store.read("format.json"))["format"])


def _copy(
    source: Store, target: Store, written: int, watch: Watch, beside: Mapping[str, bytes]
) -> Copied:
    if _mark(target) is None and _listed(target, (*_FIRST, *_REST)):
        raise CatalogError(f"{target.url} holds other files: name an empty place.")
    target.replace(_MARK, json.dumps({"state": "copying", "format": written}).encode())
    for name, data in beside.items():
        target.replace(name, data)
    done = Copied()
    for _ in range(_TRIES):
        if _round(source, target, done, watch):
            target.replace(_MARK, json.dumps({"state": "complete", "format": written}).encode())
            return done
    raise CatalogError(
        f"{source.url} changed too fast to be copied: run it again when no compaction goes on."
    )


def _round(source: Store, target: Store, done: Copied, watch: Watch) -> bool:
    """One pass; False where something that it listed was taken away meanwhile."""
    before = _listed(source, _REST)
    first = _listed(source, _FIRST)
    rest = _listed(source, _REST)
    if not before.keys() <= rest.keys():
        return False  # a row among the first may need what went since it was listed
    there = _listed(target, (*_FIRST, *_REST))
    done.files, done.bytes = len(first) + len(rest), sum((first | rest).values())
    lacking = [
        [path for path, size in some.items() if there.get(path) != size] for some in (rest, first)
    ]
    number = sum(map(len, lacking))

    def one(path: str) -> bool:
        try:
            data = source.read(path)
        except FileNotFoundError:
            return False
        if path in there or not target.create(path, data):
            target.replace(path, data)
        done.new += 1
        watch(done.new, number)
        return True

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in lacking:
            if not all(list(pool.map(one, some))):
                return False
    # Rows before what they name, so that a kill in between leaves the copy whole.
    for path in sorted(there.keys() - first.keys() - rest.keys(), key=_of_rest):
        target.delete(path)
        done.removed += 1
    return _agrees(first | rest, target)


def _agrees(wanted: Sizes, target: Store) -> bool:
    """Whether the copy has every write-once file, at its size."""
    there = _listed(target, (*_FIRST, *_REST))
    return all(there.get(p) == size for p, size in wanted.items() if not p.startswith("runs/"))


def _of_rest(path: str) -> tuple[bool, str]:
    return path.startswith(_REST), path


def _listed(store: Store, folders: Iterable[str]) -> Sizes:
    found = (entry for folder in folders for entry in store.walk(folder))
    return {entry.path: entry.size for entry in found if not entry.temporary}


def _mark(store: Store) -> dict[str, Any] | None:
    try:
        return dict(json.loads(store.read(_MARK)))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _exists(store: Store, path: str) -> bool:
    try:
        store.read(path, 0, 1)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
