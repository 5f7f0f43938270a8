"""Edits by people, as requests ask for them. It blocks."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pdray import log
from pdray.errors import PdrayError
from pdray.index.overlay import machine_of, overlay
from pdray.library.edits import LEAVE, Edit
from pdray.records import Said
from pdray.serve.engine import Engine
from pdray.serve.shapes import Image, image_fields

MOST = 1_000  # images of one request
_LINE = r"^[^\r\n]*$"
Tag = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)
]
Tags = Annotated[list[Tag], Field(max_length=100)]
Caption = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=_LINE)
]


class ImageEdit(BaseModel):
    """What is to change; what is left out stays. Originals are never written to."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"add_tags": ["lisbon"], "rating": 4}]},
    )

    add_tags: Tags = []
    remove_tags: Annotated[Tags, Field(description="The file's own too.")] = []
    rating: int | None = Field(None, ge=0, le=5, description="null: the file's own again.")
    caption: Caption | None = Field(None, description="null: the file's or the model's again.")
    reset: bool = Field(False, description="First take back all that people said before.")

    @model_validator(mode="after")
    def _something(self) -> "ImageEdit":
        if not self.model_fields_set - {"ids"}:
            raise ValueError("say what is to change")
        return self

    def edit(self) -> Edit:
        """The same for the library."""
        return Edit(
            tuple(self.add_tags),
            tuple(self.remove_tags),
            self.rating if "rating" in self.model_fields_set else LEAVE,
            self.caption if "caption" in self.model_fields_set else LEAVE,
            self.reset,
        )


class ImagesEdit(ImageEdit):
    """The same change of many images."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ids": ["6f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10"], "add_tags": ["holiday"]}]
        },
    )

    ids: list[UUID] = Field(min_length=1, max_length=MOST)


class Edited(BaseModel):
    """What came of it."""

    images: int
    missing: list[str] = Field([], description="Ids that there are no images of.")


def edit_one(engine: Engine, id: str, asked: ImageEdit) -> Image:
    """Changes one image and shows it. Raises Problem where there is none."""
    collection = engine.image(id).payload["collection"]
    said = _edit(engine, {id: collection}, asked.edit())
    # Whether the index has it by now or not.
    payload = overlay(machine_of(engine.image(id).payload), said[id])
    return Image(**image_fields(id, payload))


def edit_many(engine: Engine, ids: Sequence[str], asked: ImageEdit) -> Edited:
    """Changes those of these images that there are."""
    found = engine.images(ids)
    there = {id: str(stored.payload["collection"]) for id, stored in found.items()}
    if there:
        _edit(engine, there, asked.edit())
    return Edited(images=len(there), missing=[id for id in ids if id not in there])


def _edit(engine: Engine, images: dict[str, str], edit: Edit) -> dict[str, Said]:
    said = engine.people.edit(images, edit)
    try:
        engine.people.carry(images)
    except PdrayError as error:  # it is kept, and carried as soon as that can be
        log.get("serve").warning("an edit waits for the index: %s", error)
    return said
