"""What goes in and out of the API, as the OpenAPI document says it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import unquote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pdray.index.overlay import said_of
from pdray.records import Said
from pdray.serve.filtering import Filters
from pdray.serve.problems import ProblemDocument

PREFIX = "/api/v1"
MOST = 1_000  # hits of one answer
PARTS = 16  # of a mix
FACETS = ("camera", "lens", "keywords", "format", "orientation", "folders")

SORTED = 500  # of the most relevant, where another order is asked for
Sort = Literal["newest", "oldest", "largest", "smallest"]
SearchSort = Literal["relevance", "newest", "oldest", "largest", "smallest"]
Limit = Annotated[int, Field(ge=1, le=MOST, description="Most hits in the answer.")]


class MixPart(BaseModel):
    """One thing that is looked for beside others: words as they are, or an image."""

    model_config = ConfigDict(extra="forbid")

    text: str | None = Field(None, min_length=1, max_length=2_000)
    image_id: UUID | None = None
    image_url: str | None = Field(None, max_length=4_096)
    upload: int | None = Field(
        None, ge=0, lt=PARTS, description="An image of the form, by its place there, from 0."
    )
    weight: float = Field(1.0, ge=-10, le=10, description="Below 0: less of this. Not 0.")

    @model_validator(mode="after")
    def _one_thing(self) -> "MixPart":
        kinds = (self.text, self.image_id, self.image_url, self.upload)
        if sum(one is not None for one in kinds) != 1:
            raise ValueError("give text, image_id, image_url or upload, one of them")
        if not self.weight:
            raise ValueError("a weight of 0 says nothing")
        if self.text is not None and not self.text.strip():
            raise ValueError("the text is empty")
        return self


class PartWeights(BaseModel):
    """How much the parts of a search count beside each other; those of a mix have their own."""

    model_config = ConfigDict(extra="forbid")

    text: float = Field(1.0, gt=0, le=10, description="The free words.")
    image: float = Field(
        1.0, ge=-10, le=10, description="The image; below 0: less of what it shows. Not 0."
    )
    without: float = Field(
        1.0, gt=0, le=10, description="How far the words with a minus push away."
    )

    @model_validator(mode="after")
    def _something(self) -> "PartWeights":
        if not self.image:
            raise ValueError("a weight of 0 says nothing: leave the image out")
        return self


class SearchRequest(BaseModel):
    """What is looked for: text, an image, more of both with weights; what is given all counts."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"text": "red circle iso:>=800 -people", "limit": 20, "facets": ["camera"]},
                {
                    "mix": [{"text": "beach"}, {"text": "people", "weight": -0.5}],
                    "filters": {"taken_from": "2024-05-01", "has": ["place"]},
                    "sort": "newest",
                },
            ]
        },
    )

    text: str | None = Field(None, max_length=2_000, description="In the query language.")
    image_id: UUID | None = Field(None, description="An image to look for the like of.")
    image_url: str | None = Field(
        None, max_length=4_096, description="The same, at a public http or https URL."
    )
    mix: list[MixPart] = Field([], max_length=PARTS, description="More of both, with weights.")
    weights: PartWeights | None = Field(
        None, description="All count the same where it is left out."
    )
    filters: Filters | None = Field(None, description="Conditions beside those of the text.")
    sort: SearchSort = Field(
        "relevance",
        description=f"Other than by relevance, the {SORTED} most relevant are put in that order; "
        "a question of conditions alone has all in it, newest first by default.",
    )
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
    caption_by: str | None = Field(None, description="Model that made the caption, if one did.")
    tags: list[str] = []
    rating: int | None = None
    edited: list[Literal["tags", "rating", "caption"]] = Field(
        [], description="What of these people have changed."
    )
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
    took_ms: dict[str, float] = Field(
        description="encode, index and total; its share where questions were answered together."
    )
    next_cursor: str | None = None
    facets: Facets | None = None


class BatchRequest(BaseModel):
    """Many questions at once, without cursors."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"searches": [{"text": "a dog"}, {"text": "a cat"}]}]},
    )

    searches: list[SearchRequest] = Field(min_length=1, max_length=64)


class BatchAnswer(BaseModel):
    """Their answers, in their order; a question that is wrong has a problem instead."""

    answers: list["Answer | ProblemDocument"]
    took_ms: float


class ExportRequest(SearchRequest):
    """A search whose hits are wanted as a file."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "red iso:>=800", "format": "csv"}]}
    )

    format: Literal["csv", "parquet", "zip"]
    limit: int = Field(
        MOST,
        ge=1,
        le=1_000_000,
        description="Most hits in the file; a search by words or an image has 10,000.",
    )


class Completion(BaseModel):
    """What the text may become."""

    query: str = Field(description="The whole text with the completion in place.")
    insert: str = Field(description="What takes the place of the last word.")
    field: str | None = Field(None, description="The field whose value it is.")
    value: str | None = None
    count: int | None = Field(None, description="Images that have it.")


class Suggestions(BaseModel):
    """Completions of the last word of a text, likeliest first."""

    collection: str
    completions: list[Completion]


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


class Folder(BaseModel):
    """A folder that images come from, counted with all below it."""

    folder: str = Field(description="Its address; `folder:` with it means it and all below it.")
    name: str
    count: int
    folders: int = Field(description="Folders directly in it that hold any of these images.")


class Folders(BaseModel):
    """Folders of one level by name, or those that were sought, most images first."""

    collection: str
    folders: list[Folder]
    total: int
    next_cursor: str | None = None


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
        "edited": _edited(said_of(payload)),
        "file": f"{here}/file",
        "thumbnail": f"{here}/thumbnail?v={edition(payload)}" if payload.get("thumb") else None,
    }
    return {**found, **named}


def _edited(said: Said) -> list[str]:
    tags = ["tags"] if said.get("tags") or said.get("without") else []
    return [*tags, *(name for name in ("rating", "caption") if name in said)]


def edition(payload: Mapping[str, Any]) -> str:
    """Names the picture that a thumbnail shows: it changes with the content."""
    return str(payload.get("content_id", ""))[:16]
