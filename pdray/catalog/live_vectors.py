"""The stored vectors of a collection's live images in one embedding space, a part at a time."""

import uuid
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pdray.catalog.catalog import Catalog
from pdray.catalog.view import connect, load_live

_COLUMNS = ["uri", "seq", "status", "image_id", "content_id", "size"]


class LiveVectors:
    """The live whole rows in order of uri, numbered from 0: `ids` are their image ids, `sizes` (n,)
    their files' bytes. An image without a vector in the space is a row all the same.
    """

    def __init__(self, catalog: Catalog, collection: str, space: str) -> None:
        with connect() as con:
            load_live(con, catalog, collection, _COLUMNS)
            rows = con.execute(
                "SELECT image_id, content_id, size FROM live WHERE status = 'ok' ORDER BY uri"
            ).fetchall()
        self._catalog, self._space = catalog, space
        self.ids = [str(uuid.UUID(bytes=image_id)) for image_id, _, _ in rows]
        self.sizes = np.array([size for _, _, size in rows], np.int64)
        self._of: dict[str, list[int]] = {}
        for number, (_, content, _) in enumerate(rows):
            self._of.setdefault(content.hex(), []).append(number)

    def parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """(numbers (m,), vectors (m, dim) of length 1) of each embedding part; a number comes once.

        A part that a compaction removes meanwhile is left out.
        """
        left = dict(self._of)
        for path in self._catalog.embedding_parts(self._space):
            try:
                contents, vectors = self._catalog.vectors([path])
            except FileNotFoundError:
                continue
            numbers, places = [], []
            for place, content in enumerate(contents):
                for number in left.pop(content, ()):
                    numbers.append(number)
                    places.append(place)
            if numbers:
                yield np.array(numbers, np.int64), vectors[places]
