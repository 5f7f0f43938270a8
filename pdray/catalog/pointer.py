"""Which embedding space serves a collection: write-once numbered records, the highest one counts.

Nothing is rewritten, so that a reader never sees half a pointer and an object store, which limits
writes per name, never slows it. Every query pins the generation it read.
"""

import json
from dataclasses import dataclass

from pdray.catalog.catalog import Catalog
from pdray.records import ModelSpec


@dataclass(frozen=True, slots=True)
class Pointer:
    """The serving space of a collection, and the model that made it."""

    generation: int
    spec: ModelSpec


def current(catalog: Catalog, collection: str) -> Pointer | None:
    """The pointer that counts now; None for a collection that was never indexed."""
    paths = catalog.store.list(f"collections/{collection}/pointer", ".json")
    if not paths:
        return None
    document = json.loads(catalog.store.read(paths[-1]))
    return Pointer(document["generation"], ModelSpec.from_json(document["model"]))


def history(catalog: Catalog, collection: str) -> list[Pointer]:
    """Every pointer that the collection ever had, the oldest first."""
    paths = catalog.store.list(f"collections/{collection}/pointer", ".json")
    documents = [json.loads(catalog.store.read(path)) for path in paths]
    return [Pointer(d["generation"], ModelSpec.from_json(d["model"])) for d in documents]


def advance(catalog: Catalog, collection: str, spec: ModelSpec) -> Pointer:
    """Makes `spec` the serving model; does nothing where it is that already."""
    while True:
        before = current(catalog, collection)
        if before and before.spec == spec:
            return before
        pointer = Pointer(before.generation + 1 if before else 1, spec)
        document = {"generation": pointer.generation, "model": spec.to_json()}
        path = f"collections/{collection}/pointer/{pointer.generation:08d}.json"
        if catalog.create(path, json.dumps(document, sort_keys=True).encode()):
            return pointer
