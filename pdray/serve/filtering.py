"""Filters as a document, beside the query language: exact values, several of which may be meant."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pdray.index.filters import AnyOf, Box, Condition, Dates, Missing, Near, Range
from pdray.index.points import instant
from pdray.search.language import PRESENCE

_VALUES = {
    "tags": "keywords",
    "cameras": "camera",
    "lenses": "lens",
    "formats": "format",
    "orientations": "orientation",
    "folders": "folders",
}
_RANGES = {
    "iso": "iso",
    "rating": "rating",
    "width": "width",
    "height": "height",
    "pixels": "pixels",
    "bytes": "size",
    "f_number": "f_number",
    "focal_length_mm": "focal_length_mm",
    "exposure_seconds": "exposure_seconds",
    "altitude_m": "altitude_m",
}

Value = Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
Values = Annotated[list[Value], Field(max_length=200)]
Presence = Literal["date", "place", "camera", "lens", "tag", "rating", "caption"]
_STRICT = ConfigDict(extra="forbid")


class Bounds(BaseModel):
    """A number between bounds; both are included, and one may be left out."""

    model_config = _STRICT
    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _some(self) -> "Bounds":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class Place(BaseModel):
    """Within a distance of a place."""

    model_config = _STRICT
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    km: float = Field(1.0, gt=0, le=20_100)


class Rectangle(BaseModel):
    """Degrees; one whose east lies west of its west crosses the date line."""

    model_config = _STRICT
    south: float = Field(ge=-90, le=90)
    west: float = Field(ge=-180, le=180)
    north: float = Field(ge=-90, le=90)
    east: float = Field(ge=-180, le=180)

    @model_validator(mode="after")
    def _upright(self) -> "Rectangle":
        if self.south > self.north:
            raise ValueError("south is above north")
        return self


class Filters(BaseModel):
    """All that is given must hold; of a list of values one, as GET /facets tells them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"cameras": ["canon eos r5", "nikon d750"], "iso": {"min": 800}}]
        },
    )

    tags: Values = []
    cameras: Values = []
    lenses: Values = []
    formats: Values = []
    orientations: Values = []
    folders: Annotated[Values, Field(description="As uris, with all below them.")] = []
    taken_from: str | None = Field(
        None, max_length=40, description="ISO 8601, included.", examples=["2024-05-01"]
    )
    taken_to: str | None = Field(None, max_length=40, description="ISO 8601, not included.")
    iso: Bounds | None = None
    rating: Bounds | None = None
    width: Bounds | None = None
    height: Bounds | None = None
    pixels: Bounds | None = None
    bytes: Bounds | None = None
    f_number: Bounds | None = None
    focal_length_mm: Bounds | None = None
    exposure_seconds: Bounds | None = None
    altitude_m: Bounds | None = None
    near: Place | None = None
    box: Rectangle | None = None
    has: Annotated[list[Presence], Field(max_length=20)] = []
    lacks: Annotated[list[Presence], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _dates(self) -> "Filters":
        for name in ("taken_from", "taken_to"):
            written = getattr(self, name)
            if written is not None and instant(written) is None:
                raise ValueError(f"{name} is no ISO 8601 date")
        return self

    def conditions(self) -> tuple[Condition, ...]:
        """The same for an index."""
        return tuple(self._conditions())

    def _conditions(self) -> Iterator[Condition]:
        for name, field in _VALUES.items():
            if values := getattr(self, name):
                yield AnyOf(field, tuple(values))
        for name, field in _RANGES.items():
            bounds: Bounds | None = getattr(self, name)
            if bounds:
                yield Range(field, gte=bounds.min, lte=bounds.max)
        if self.taken_from or self.taken_to:
            yield Dates(gte=self.taken_from, lt=self.taken_to)
        if self.near:
            yield Near(self.near.longitude, self.near.latitude, 1000 * self.near.km)
        if self.box:
            yield Box(self.box.north, self.box.west, self.box.south, self.box.east)
        for name in self.has:
            yield Missing(PRESENCE[name], present=True)
        for name in self.lacks:
            yield Missing(PRESENCE[name])
