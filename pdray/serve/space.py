"""One embedding space that is served: what turns texts and images into its vectors."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdray.config import Settings
from pdray.errors import UsageError
from pdray.images.errors import ImageError
from pdray.images.examine import decode_pixels
from pdray.records import ModelSpec
from pdray.serve import metrics
from pdray.serve.batching import Batcher
from pdray.serve.loaded import Loaded

if TYPE_CHECKING:
    from pdray.models.encoder import DualEncoder
    from pdray.models.towers import Towers

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]
# A spec and the pixels of one image (height, width, 3) to its vector (dim,); it may block.
PixelEncoder = Callable[[ModelSpec, Pixels], Vectors]

_MOST_THREADS = 4  # a text is little work: more threads only wait for each other


def load(spec: ModelSpec, settings: Settings, towers: "Towers") -> "DualEncoder":
    """One tower of a model. Raises ModelUnavailable."""
    from pdray.models.encoder import DualEncoder

    cores = len(os.sched_getaffinity(0))
    return DualEncoder(
        spec,
        device=settings.device,
        precision=settings.precision,
        threads=settings.ingest.threads or min(cores, _MOST_THREADS),
        towers=towers,
    )


class Space:
    """Encoders of a space. The text tower is loaded at once where the settings say so
    (`serve.models`), else with the first text; images go to `encode_pixels`. Raises
    ModelUnavailable where it can't be loaded.
    """

    def __init__(self, spec: ModelSpec, settings: Settings, encode_pixels: PixelEncoder) -> None:
        self._spec, self._settings, self._encode_pixels = spec, settings, encode_pixels
        self._tower = Loaded(lambda: load(spec, settings, "text"), settings.serve.idle_seconds)
        self.encode_texts = Batcher(self._encode)
        if settings.serve.preloads(spec.name):
            # In the thread that will encode: torch's number of threads is a thread's own.
            try:
                self.encode_texts(["so that the first query waits for no kernel"])
            except BaseException:
                self.encode_texts.close()
                raise

    @property
    def loaded(self) -> bool:
        """Whether the text tower is in memory."""
        return self._tower.loaded

    def _encode(self, texts: Sequence[str]) -> Vectors:
        metrics.BATCH_SIZE.observe(len(texts))
        return self._tower.get().encode_texts(texts)

    def encode_image(self, data: bytes) -> Vectors:
        """The vector of an image file, (dim,). Raises UsageError for what is no image."""
        try:
            pixels = decode_pixels(
                data,
                self._spec.preprocessing,
                max_pixels=self._settings.ingest.max_pixels,
            )
        except ImageError as error:
            raise UsageError(f"The image to look for can't be used: {error.reason}") from error
        return self._encode_pixels(self._spec, pixels)

    def rest(self) -> None:
        """Lets go of a model that was idle for long."""
        self._tower.rest()

    def close(self) -> None:
        """Ends when what waits is done."""
        self.encode_texts.close()
