"""What is kept of one image."""

from dataclasses import dataclass

from pdray.records import Said


@dataclass(frozen=True, slots=True)
class Row:
    """What people say of one image. `revision` counts its edits."""

    image_id: str
    collection: str
    said: Said
    revision: int
