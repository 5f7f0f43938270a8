"""A small workspace for tests of the server: scenes committed by the plain stages, without Ray."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.catalog.units import Item, Unit, unit_id
from pdray.catalog.view import KnownContents, live_versions
from pdray.config import Settings, load
from pdray.ingest.project import Projector
from pdray.ingest.stages import Job, Worker
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.records import ImageRef, ModelSpec
from pdray.samples.collection import write_collection
from pdray.sources.opening import open_source

SCENES, PLAIN = 24, 3


@dataclass(frozen=True, slots=True)
class Made:
    """A folder of scenes, and of `PLAIN` pictures without metadata, in a catalog."""

    photos: Path
    workspace: Path
    captions: dict[str, str]  # uri -> caption
    count: int


def make(home: Path) -> Made:
    """Draws and commits; no index is made."""
    photos, workspace = home / "photos", home / "workspace"
    drawn = write_collection(photos, SCENES, 5, sides=(100, 200))
    for seed in range(PLAIN):
        noise = np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photos / f"plain-{seed}.png")
    lines = map(json.loads, drawn.captions.read_text("utf-8").splitlines())
    captions = {(photos / line["file"]).as_uri(): line["caption"] for line in lines}
    commit(photos, workspace)
    return Made(photos, workspace, captions, SCENES + PLAIN)


def copied(made: Made, home: Path) -> Made:
    """The same photos, and a workspace of one's own."""
    workspace = home / "workspace"
    shutil.copytree(made.workspace, workspace)
    return replace(made, workspace=workspace)


def settings_of(made: Made, **more: object) -> Settings:
    """Settings with this workspace, whatever the environment says."""
    return load({"workspace": str(made.workspace), **more}, environ={}, cwd=made.workspace)


def commit(photos: Path, workspace: Path, collection: str = "default", run_id: str = "run") -> None:
    """Reads a folder into a collection, as a run does, but for the index."""
    catalog = Catalog.open(str(workspace), create=True)
    source, spec = open_source(str(photos)), resolve("builtin")
    refs = [entry for entry in source.list() if isinstance(entry, ImageRef)]
    items = tuple(Item(ref.uri, ref.size, ref.version, 1, 0, place=ref.place) for ref in refs)
    job = Job(catalog, collection, run_id, spec, (source,))
    Worker(job, KnownContents.none()).process(Unit(unit_id(collection, "1", items), items))
    pointer.advance(catalog, collection, spec)


def embed(made: Made, model: str) -> ModelSpec:
    """Vectors of the images by another model, as a switch makes them, and the index of them."""
    catalog, spec, source = Catalog.open(str(made.workspace)), resolve(model), str(made.photos)
    items = tuple(
        Item(uri, 0, version, seq, 0, image, content)
        for image, uri, version, seq, content in live_versions(catalog, "default")
    )
    job = Job(catalog, "default", "switch", spec, (open_source(source),), vectors_only=True)
    Worker(job, KnownContents.none()).process(Unit(unit_id("default", "vectors", items), items))
    projector = Projector.open(catalog, index_target(settings_of(made)), spec)
    projector.catch_up("default")
    projector.close()
    return spec
