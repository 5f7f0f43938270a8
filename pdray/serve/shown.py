"""What is known of images that were just found: their thumbnails are asked for next, one by one."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

_MOST = 10_000  # images, about 2 KB each


class Image(Protocol):
    """A neighbour, or a stored point."""

    @property
    def id(self) -> str: ...

    @property
    def payload(self) -> Mapping[str, Any]: ...


class Shown:
    """Payloads by id, for as long as the index is the one that they were read from (version.py)."""

    def __init__(self, most: int = _MOST) -> None:
        self._most, self._version = most, 0
        self._kept: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._turn = threading.Lock()

    def keep(self, version: int | None, images: Iterable[Image]) -> None:
        """`version` is what it was before they were looked for."""
        if version is None:
            return
        with self._turn:
            if version != self._version:
                self._kept.clear()
                self._version = version
            for image in images:
                self._kept[image.id] = image.payload
                self._kept.move_to_end(image.id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def get(self, version: int | None, id: str) -> Mapping[str, Any] | None:
        """The payload that belongs to this version, if it is there."""
        with self._turn:
            return self._kept.get(id) if version == self._version else None
