"""What goes in and out of the API, as the OpenAPI document says it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "/api/v1"
MOST = 1_000  # hits of one answer
FACETS = ("camera", "lens", "keywords", "format", "orientation", "folders")

Sort = Literal["newest", "oldest", "largest", "smallest"]
Limit = Annotated[int, Field(ge=1, le=MOST, description="Most hits in the answer.")]


class SearchRequest(BaseModel):
    """What is looked for: text, an image that is known, or both, which then both count."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "red circle iso:>=800 -people", "limit": 20, "facets": ["camera"]}
            ]
        },
    )

    text: str | None = Field(None, max_length=2_000, description="In the query language.")
    image_id: UUID | None = Field(None, description="An image to look for the like of.")
    collection: str | None = Field(None, description="The server's own where it is left out.")
    limit: Limit = 50
    cursor: str | None = Field(None, description="next_cursor of the answer before.")
    facets: list[str] = Field([], description=f"Fields to count: {', '.join(FACETS)}.")


class Image(BaseModel):
    """One image of a collection."""

    id: str
    uri: str
    name: str
    collection: str
    folder: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = Field(None, description="Bytes.")
    taken: str | None = Field(None, description="ISO 8601 as the camera wrote it.")
    camera: str | None = None
    lens: str | None = None
    iso: int | None = None
    f_number: float | None = None
    exposure_seconds: float | None = None
    focal_length_mm: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    altitude_m: float | None = None
    title: str | None = None
    description: str | None = None
    caption: str | None = None
    tags: list[str] = []
    rating: int | None = None
    thumbnail: str | None = Field(None, description="URL; it changes when the picture does.")
    file: str = Field(description="URL of the original.")


class Hit(Image):
    """One answer of a search; the score is cosine similarity, or the fused score of a mix."""

    rank: int
    score: float


class FacetValue(BaseModel):
    """How many images have a value."""

    value: str
    count: int


Facets = dict[str, list[FacetValue]]


class Answer(BaseModel):
    """Hits, best first. `notes` are sentences on parts of the query that match nothing."""

    query: str | None
    collection: str
    hits: list[Hit]
    notes: list[str] = []
    took_ms: dict[str, float] = Field(description="encode, index and total.")
    next_cursor: str | None = None
    facets: Facets | None = None


class Page(BaseModel):
    """Images in the order asked for; those without a date come last of newest and oldest."""

    query: str | None
    collection: str
    images: list[Image]
    notes: list[str] = []
    next_cursor: str | None = None


class Month(BaseModel):
    """How many images were taken in a month; `taken:` with it finds them."""

    month: str = Field(examples=["2024-05"])
    count: int


class Timeline(BaseModel):
    """The months that have images, newest first."""

    collection: str
    months: list[Month]
    undated: int = Field(description="Images without a date.")
    notes: list[str] = []


class FacetAnswer(BaseModel):
    """Values of each field among the matches of the query's conditions, most first."""

    collection: str
    total: int = Field(description="Images in the collection.")
    facets: Facets


class Collection(BaseModel):
    """What a collection holds now."""

    name: str
    images: int | None = Field(description="Searchable now; null while its index can't be reached.")
    model: str
    note: str | None = None


class Collections(BaseModel):
    """All collections of the workspace; `default` is meant where a request names none."""

    default: str
    collections: list[Collection]


class State(BaseModel):
    """Whether the server lives, or can answer."""

    status: str


def image_fields(id: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an Image from a point's payload; what the payload lacks stays out."""
    here = f"{PREFIX}/images/{id}"
    place = payload.get("location") or {}
    folders = payload.get("folders") or []
    found = {name: payload.get(name) for name in Image.model_fields if name in payload}
    named = {
        "id": id,
        "uri": payload["uri"],
        "name": payload.get("name") or unquote(payload["uri"].rsplit("/", 1)[-1]),
        "folder": folders[0] if folders else None,
        "taken": payload.get("taken_local") or payload.get("taken_at"),
        "latitude": place.get("lat"),
        "longitude": place.get("lon"),
        "tags": payload.get("keywords") or [],
        "file": f"{here}/file",
        "thumbnail": f"{here}/thumbnail?v={edition(payload)}" if payload.get("thumb") else None,
    }
    return {**found, **named}


def edition(payload: Mapping[str, Any]) -> str:
    """Names the picture that a thumbnail shows: it changes with the content."""
    return str(payload.get("content_id", ""))[:16]
