"""Collections, uploads and models, as the OpenAPI document says them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pdray.serve.run_shapes import CollectionName, RunDocument, Text


class CollectionRequest(BaseModel):
    """A collection to be created."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "holidays", "model": "builtin"}]}
    )

    name: CollectionName
    model: Text | None = Field(
        None, description="On this machine (see GET /models). The server's own if left out."
    )


class CollectionDetails(BaseModel):
    """What a collection holds, and what was done last to it."""

    name: str
    model: str
    dim: int = Field(description="Of its vectors.")
    space: str = Field(description="Model and preprocessing: collections of one share vectors.")
    images: int | None = Field(description="Searchable now; null while its index can't be reached.")
    failed: int = Field(description="Files that could not be indexed.")
    uploaded: int = Field(description="Files that were sent to it.")
    oldest: str | None = None
    newest: str | None = None
    formats: dict[str, int] = {}
    last_run: RunDocument | None = None
    note: str | None = None


class Deletion(BaseModel):
    """What deleting a collection would take, and the token that confirms it. The token holds until
    the collection changes.
    """

    collection: str
    images: int
    failed: int
    uploaded: int
    vectors: int = Field(description="That no other collection's images share.")
    thumbnail_bytes: int
    token: str


class Deleted(BaseModel):
    """Whether it is gone; deleting a large collection goes on after the answer."""

    collection: str
    state: Literal["deleted", "deleting"]


class UploadedImage(BaseModel):
    """What became of a file: stored, known (the same bytes are there), or refused and why."""

    name: str
    state: Literal["stored", "known", "refused"]
    reason: str | None = None


class Uploaded(BaseModel):
    """`run` indexes what was stored; `queued` says that it begins when another run has ended."""

    collection: str
    images: list[UploadedImage]
    run: str | None = None
    queued: bool = False


class ModelDocument(BaseModel):
    """A model. `weights` is the memory that its weights take, in bytes by precision."""

    name: str
    here: bool = Field(description="Whether its files are on this machine.")
    reason: str | None = Field(None, description="Why it can't be used, if no run could fetch it.")
    default: bool = False
    dim: int | None = None
    type: str | None = None
    parameters: int | None = None
    weights: dict[str, int] = {}
    collections: list[str] = Field([], description="Those that it serves.")


class PrecisionDocument(BaseModel):
    """A number format. `chosen` is what auto takes on this machine."""

    name: str
    available: bool
    chosen: bool = False
    why: str


class Models(BaseModel):
    """What serves and what is known. Any other hub name or folder may be given to a run as well."""

    models: list[ModelDocument]
    precisions: list[PrecisionDocument]
    device: str
