"""The images that `pdray eval` asks about, read anew for each model, a batch at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from pdray.cli.output import stderr
from pdray.errors import UsageError
from pdray.images.errors import ImageError
from pdray.records import Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdray.models.encoder import DualEncoder

_TOGETHER = 256  # images that are decoded before they are embedded
_NAMED = 3


class Pictures:
    """Files, of which the first model finds out what can't be used: that is told, and left out for
    all models alike, so that they answer the same queries. `kept` are the numbers of the others.

    Their bytes are never held together: 40,000 photographs are more than most machines' memory.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._looked = False
        self.kept = list(range(len(paths)))

    @property
    def missing(self) -> int:
        """How many are left out."""
        return len(self._paths) - len(self.kept)

    def embed(self, encoder: "DualEncoder") -> "NDArray[np.float32]":
        """Vectors (len(kept), dim). Raises UsageError where no image can be used, and where one
        that an earlier model had is gone.
        """
        import numpy as np

        parts, lost = [], {}
        for start in range(0, len(self.kept), _TOGETHER):
            pixels = []
            for number in self.kept[start : start + _TOGETHER]:
                try:
                    pixels.append(_pixels(self._paths[number], encoder.spec.preprocessing))
                except (OSError, ImageError) as error:
                    lost[number] = f"{self._paths[number]}: {_reason(error)}"
            if pixels:
                parts.append(encoder.encode_pixels(np.stack(pixels)))
        self._leave_out(lost)
        return np.concatenate(parts)

    def _leave_out(self, lost: dict[int, str]) -> None:
        reasons = list(lost.values())
        if reasons and self._looked:
            raise UsageError(f"An image was there for one model only ({reasons[0]}): start again.")
        if len(lost) == len(self._paths):
            raise UsageError(
                f"None of {len(lost)} images can be used ({reasons[0]}): name their folder."
            )
        self._looked = True
        self.kept = [number for number in self.kept if number not in lost]
        for reason in reasons[:_NAMED]:
            stderr.print(f"[yellow]Note:[/] {escape(reason)}")
        if len(lost) > _NAMED:
            stderr.print(f"[yellow]Note:[/] {len(lost)} images can't be used.")


def _pixels(path: Path, preprocessing: Preprocessing) -> "NDArray[np.uint8]":
    from pdray.images.examine import decode_pixels

    return decode_pixels(path.read_bytes(), preprocessing)


def _reason(error: OSError | ImageError) -> str:
    if isinstance(error, ImageError):
        return error.reason
    return f"{error.strerror or error}."
