"""One embedding space that is served: its index and its encoders."""

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import UsageError
from pdray.images.errors import ImageError
from pdray.images.examine import decode_pixels
from pdray.index.opening import open_index
from pdray.index.target import IndexTarget
from pdray.ingest.project import Projector
from pdray.records import ModelSpec
from pdray.serve.batching import Batcher

if TYPE_CHECKING:
    from pdray.models.encoder import DualEncoder

_MOST_THREADS = 4  # a text is little work: more threads only wait for each other


class Space:
    """Opens the index and loads the text tower; the image tower comes with the first image.

    Raises IndexUnavailable at once where another process holds the index, ModelUnavailable where
    the model can't be loaded.
    """

    def __init__(
        self, catalog: Catalog, target: IndexTarget, spec: ModelSpec, settings: Settings
    ) -> None:
        self._spec, self._settings = spec, settings
        self.index = open_index(target, spec.space, spec.dim, wait_seconds=0.0)
        try:
            self._projector = Projector(catalog, self.index, spec)
            tower = self._load("text")
            self.encode_texts = Batcher(tower.encode_texts)
        except BaseException:
            self.index.close()
            raise
        self._looking = threading.Lock()
        self._lacking: dict[str, tuple[str, ...]] = {}

    def follow(self, collection: str, *, project: bool) -> bool:
        """Brings in what runs committed, where that is this process's work; whether there was any.

        Parts whose vectors aren't there yet wait: they are tried again when others come.
        """
        if not project:
            return False
        pending = tuple(self._projector.pending(collection))
        if not pending or pending == self._lacking.get(collection):
            return False
        changed = self._projector.catch_up(collection)
        if self._projector.lacking:
            self._lacking[collection] = tuple(self._projector.pending(collection))
        return changed > 0

    def encode_image(self, data: bytes) -> NDArray[np.float32]:
        """The vector of an image file, (dim,). Raises UsageError for what is no image."""
        try:
            pixels = decode_pixels(
                data,
                self._spec.preprocessing,
                max_pixels=self._settings.ingest.max_pixels,
            )
        except ImageError as error:
            raise UsageError(f"The image to look for can't be used: {error.reason}") from error
        with self._looking:
            vector: NDArray[np.float32] = self._image_tower.encode_pixels(pixels[None])[0]
        return vector

    @cached_property
    def _image_tower(self) -> "DualEncoder":
        return self._load("image")

    def _load(self, towers: "Sequence[str] | str") -> "DualEncoder":
        from pdray.models.encoder import DualEncoder

        cores = len(os.sched_getaffinity(0))
        return DualEncoder(
            self._spec,
            device=self._settings.device,
            precision=self._settings.precision,
            threads=self._settings.ingest.threads or min(cores, _MOST_THREADS),
            towers="text" if towers == "text" else "image",
        )

    def close(self) -> None:
        """Lets the index go."""
        self.encode_texts.close()
        self.index.close()
