"""The image tower of a server: in this process, or in one of its own that many ask."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pdray.config import Settings
from pdray.records import ModelSpec
from pdray.serve import metrics
from pdray.serve.batching import Batcher
from pdray.serve.loaded import Loaded
from pdray.serve.space import Pixels, Vectors, load

if TYPE_CHECKING:
    from concurrent.futures import Future


class ImageTower:
    """Encodes for any number of spaces; each model is loaded with its first image. Images of
    requests that wait at the same time go through the model together.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._towers: dict[str, tuple[Loaded[Any], Batcher[Pixels, Vectors]]] = {}

    def __call__(self, spec: ModelSpec, pixels: Pixels) -> Vectors:
        """The vector (dim,) of one image; waits, so call it from a thread."""
        vector: Vectors = self.submit(spec, pixels).result()[0]
        return vector

    def submit(self, spec: ModelSpec, pixels: Pixels) -> "Future[Vectors]":
        """The same as (1, dim), not waited for."""
        return self._tower(spec)[1].submit([pixels])

    def _tower(self, spec: ModelSpec) -> "tuple[Loaded[Any], Batcher[Pixels, Vectors]]":
        found = self._towers.get(spec.space)
        if found is None:
            tower = Loaded(
                lambda: load(spec, self._settings, "image"), self._settings.serve.idle_seconds
            )

            def encode(images: Sequence[Pixels]) -> Vectors:
                metrics.BATCH_SIZE.observe(len(images))
                vectors: Vectors = tower.get().encode_pixels(np.stack(images))
                return vectors

            found = self._towers.setdefault(spec.space, (tower, Batcher(encode)))
        return found

    def warm(self, specs: Iterable[ModelSpec]) -> None:
        """Loads these models, so that the first image need not wait."""
        for spec in specs:
            prepared = spec.preprocessing
            self(spec, np.zeros((prepared.height, prepared.width, 3), np.uint8))

    def rest(self) -> None:
        """Lets go of models that were idle for long."""
        for tower, _ in list(self._towers.values()):
            tower.rest()

    def close(self) -> None:
        """Ends when what waits is done."""
        for _, batcher in self._towers.values():
            batcher.close()
