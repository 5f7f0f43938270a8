"""The one exception of this room: an image that can't be used, and why."""

from typing import Literal

from pdray.errors import PdrayError

Kind = Literal[
    "empty",  # no bytes
    "not-an-image",  # the bytes carry no signature that we know
    "unsupported",  # an image, or nearly one, of a kind that pdray does not read
    "needs-extra",  # readable once an optional package is installed
    "too-large",  # more pixels than the limit
    "truncated",  # the end is missing
    "corrupt",  # damaged in another way
]


class ImageError(PdrayError):
    """One image can't be used. `kind` is a stable word, `reason` a sentence that names no file."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(kind, reason)  # both, so that it pickles between processes
        self.kind: Kind = kind
        self.reason = reason

    def __str__(self) -> str:
        return self.reason
