"""How two models of a collection compare, by what is known of its images: their vectors, and their
captions where it has some.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdray.catalog import captions
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import known_contents, live_versions
from pdray.config import Settings
from pdray.errors import ModelUnavailable
from pdray.records import ModelSpec

Vectors = NDArray[np.float32]
# Images that are compared at most: their distances take 40 MB.
_MOST = 2000
_NEAREST = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `images` sampled ones: the part of each image's ten nearest that both models name, and how
    often a caption finds its image among the first ten by either (None without captions; equal
    captions count for each other's images).
    """

    images: int
    neighbours: float
    captions: int = 0
    recall_before: float | None = None
    recall_after: float | None = None


def judge(
    settings: Settings,
    catalog: Catalog,
    old: ModelSpec,
    new: ModelSpec,
    check: Callable[[], None] = lambda: None,
) -> Agreement | None:
    """Compares both over the images that have vectors by both; None for fewer than twelve."""
    contents = _sample(catalog, settings.collection, old, new)
    if len(contents) < _NEAREST + 2:
        return None
    before, after = _vectors(catalog, old, contents), _vectors(catalog, new, contents)
    check()
    shared = [len(set(a) & set(b)) for a, b in zip(_near(before), _near(after), strict=True)]
    overlap = float(np.mean(shared)) / _NEAREST
    by = captions.serving(catalog, settings.collection)
    said = captions.Captions(catalog, by).of(contents) if by else {}
    if not said:
        return Agreement(len(contents), overlap)
    texts = [said.get(content) for content in contents]
    recalls = []
    for spec, vectors in ((old, before), (new, after)):
        check()
        try:
            recalls.append(_recall(settings, spec, texts, vectors))
        except ModelUnavailable:  # the old one may be what is to be got rid of
            return Agreement(len(contents), overlap)
    return Agreement(len(contents), overlap, len(said), *recalls)


def _sample(catalog: Catalog, collection: str, *specs: ModelSpec) -> list[str]:
    known = [known_contents(catalog, spec.space) for spec in specs]
    contents = {content for *_, content in live_versions(catalog, collection) if content}
    both = sorted(c for c in contents if all(one.find(c) for one in known))
    return random.Random(0).sample(both, min(_MOST, len(both)))


def _vectors(catalog: Catalog, spec: ModelSpec, contents: list[str]) -> Vectors:
    """(n, dim) of unit length, in the order of the contents."""
    known, wanted = known_contents(catalog, spec.space), set(contents)
    found: dict[str, Vectors] = {}
    for path in sorted({str(known.find(content)) for content in contents}):
        names, vectors = catalog.vectors([path])
        found |= {n: v for n, v in zip(names, vectors, strict=True) if n in wanted}
    return np.stack([found[content] for content in contents])


def _near(vectors: Vectors) -> NDArray[np.int64]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argpartition(-scores, _NEAREST, axis=1)[:, :_NEAREST]


def _recall(
    settings: Settings, spec: ModelSpec, texts: list[str | None], vectors: Vectors
) -> float:
    from pdray.models.encoder import DualEncoder

    encoder = DualEncoder(spec, device=settings.device, precision=settings.precision, towers="text")
    asked = sorted({text for text in texts if text})
    right = np.array([[text == one for text in texts] for one in asked])
    scores = encoder.encode_texts(asked) @ vectors.T
    first = np.argpartition(-scores, _NEAREST, axis=1)[:, :_NEAREST]
    return float(np.take_along_axis(right, first, axis=1).any(axis=1).mean())
