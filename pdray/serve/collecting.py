"""Collections for the API: create, describe, delete. It blocks."""

import hashlib

from pdray.catalog import lease, pointer, runs
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import live_records
from pdray.config import DEFAULT_MODEL
from pdray.errors import ModelUnavailable, PdrayError
from pdray.index.filters import BY_DATE, Filter, Order
from pdray.ingest import forgetting
from pdray.models.resolve import resolve
from pdray.serve.collection_shapes import CollectionDetails, CollectionRequest, Deletion
from pdray.serve.engine import Engine
from pdray.serve.problems import Problem
from pdray.serve.run_shapes import run_document
from pdray.serve.shapes import Collection, Collections
from pdray.serve.uploading import FOLDER


def create(engine: Engine, request: CollectionRequest) -> CollectionDetails:
    """Makes an empty collection. Raises Problem 409 where there is one, 400 for the model."""
    catalog = Catalog.open(engine.settings.workspace, create=True)
    if pointer.current(catalog, request.name) is not None:
        raise Problem(
            409, "collection-exists", f"There is a collection {request.name!r} already.", "name"
        )
    name = request.model or engine.settings.model or DEFAULT_MODEL
    try:
        # A request must not wait for a download of gigabytes.
        spec = resolve(name, offline=True)
    except ModelUnavailable as error:
        raise Problem(
            400,
            "no-model",
            f"{error} A run with this model would fetch it.",
            "model",
        ) from error
    pointer.advance(catalog, request.name, spec)
    engine.refresh()
    return describe(engine, request.name)


def listed(engine: Engine) -> Collections:
    """Every collection with its searchable images."""
    found = []
    for name, spec in engine.collections().items():
        images, note = None, None
        try:
            images = engine.index(name).count(name)
        except PdrayError as error:
            note = str(error)
        found.append(Collection(name=name, images=images, model=spec.name, note=note))
    return Collections(default=engine.settings.collection, collections=found)


def describe(engine: Engine, name: str) -> CollectionDetails:
    """What a collection holds."""
    name = engine.named(name)
    catalog, spec = engine.catalog, engine.collections()[name]
    found = CollectionDetails(
        name=name,
        model=spec.name,
        dim=spec.dim,
        space=spec.space,
        images=None,
        failed=len(live_records(catalog, name, "failed")),
        uploaded=len(catalog.store.list(f"{FOLDER}/{name}")),
    )
    if last := runs.recent(catalog, 1, name):
        found.last_run = run_document(last[0])
    try:
        index, where = engine.index(name), Filter(name)
        found.images = index.count(name)
        found.formats = index.facet("format", where)
        newest = index.browse(where, limit=1)
        oldest = index.browse(where, limit=1, order=Order(BY_DATE, descending=False))
        if newest:
            found.newest, found.oldest = (one[0].payload.get(BY_DATE) for one in (newest, oldest))
    except PdrayError as error:
        found.note = str(error)
    return found


def deletion(engine: Engine, name: str) -> Deletion:
    """What deleting a collection would take."""
    name = engine.named(name)
    found = forgetting.find(engine.catalog, name, None)
    return Deletion(
        collection=name,
        images=found.images,
        failed=found.failed,
        uploaded=len(engine.catalog.store.list(f"{FOLDER}/{name}")),
        vectors=found.vectors,
        thumbnail_bytes=found.thumbnail_bytes,
        token=_token(engine.catalog, name),
    )


def confirm(engine: Engine, name: str, token: str) -> None:
    """Raises Problem where the token doesn't confirm that the collection goes as it is now."""
    name = engine.named(name)
    if held := lease.holder(engine.catalog, name):
        raise Problem(
            409,
            "collection-busy",
            f"{held['run_id']} works on collection {name!r} now: wait for it to end, or cancel it.",
        )
    if token != _token(engine.catalog, name):
        raise Problem(
            409,
            "not-confirmed",
            "The token confirms nothing, or the collection changed since: ask for another with "
            f"POST /collections/{name}/deletion.",
            "token",
        )


def _token(catalog: Catalog, name: str) -> str:
    """Names the collection in its present state. No secret: it says that somebody has looked."""
    state = "\n".join([name, *catalog.parts(name), *catalog.store.list(f"{FOLDER}/{name}")])
    return hashlib.sha256(state.encode()).hexdigest()[:32]
