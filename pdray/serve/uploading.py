"""Images that are sent to a collection. They lie in the workspace, as files of an ordinary source:

    uploads/<collection>/<name>.<content id>.<ending>

So the same bytes are there once, whatever they are called, and a run indexes them like any folder.
It blocks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.images.decode import open_header
from pdray.images.errors import ImageError
from pdray.records import content_id
from pdray.serve.collection_shapes import UploadedImage
from pdray.serve.engine import Engine
from pdray.serve.launching import Wish
from pdray.serve.problems import Problem

FOLDER = "uploads"
_ENDINGS = {"jpeg": "jpg", "tiff": "tif", "jpeg2000": "jp2", "heif": "heic"}
_LONGEST = 80  # bytes of a name


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it came."""

    name: str
    data: bytes


def store(engine: Engine, collection: str, files: Sequence[Sent]) -> list[UploadedImage]:
    """Keeps those that are images and new; says of each what became of it."""
    catalog = Catalog.open(engine.settings.workspace, create=True)
    if pointer.current(catalog, collection) is None:
        raise Problem(
            404, "no-collection", f"There is no collection {collection!r}: create it first.", "name"
        )
    folder = f"{FOLDER}/{collection}"
    there = {path.rsplit(".", 2)[-2] for path in catalog.store.list(folder) if "." in path}
    found = []
    for sent in files:
        one = _store(engine, catalog, folder, sent, there)
        found.append(one)
    return found


def _store(
    engine: Engine, catalog: Catalog, folder: str, sent: Sent, there: set[str]
) -> UploadedImage:
    try:
        _, kind = open_header(sent.data, engine.settings.ingest.max_pixels)
    except ImageError as error:
        return UploadedImage(name=sent.name, state="refused", reason=error.reason)
    content = content_id(sent.data)
    if content in there:
        return UploadedImage(name=sent.name, state="known")
    path = f"{folder}/{_plain(sent.name)}.{content}.{_ENDINGS.get(kind, kind)}"
    catalog.create(path, sent.data)
    there.add(content)
    return UploadedImage(name=sent.name, state="stored")


def wish(engine: Engine, collection: str) -> Wish:
    """The run that indexes what was sent to a collection."""
    return Wish(collection, (f"{engine.catalog.store.url}/{FOLDER}/{collection}",))


def _plain(name: str) -> str:
    """A file name that any store takes; words stay words, because they are searched."""
    stem = name.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")[0] or name
    kept = re.sub(r"[^\w.-]+", "_", stem).strip("._")
    return kept.encode()[:_LONGEST].decode("utf-8", "ignore") or "image"
