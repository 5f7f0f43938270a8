"""The nouns that cross rooms. Plain values, standard library only: they pickle and compare.

An image travels as ImageRef (listed) -> ImageRecord (read, committed) -> Hit (found); what could
not be read travels as Failure through the same streams.
"""

import functools
import hashlib
import json
import re
import uuid
from dataclasses import asdict, dataclass, field
from typing import Literal, TypedDict

Status = Literal["ok", "failed", "deleted"]

# The namespace of image ids. It fixes what is on disk: it never changes.
IMAGE_NAMESPACE = uuid.UUID("6f1f0b52-4be9-5a83-9d2b-8f2f6d1c7a10")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image as a listing tells it, without reading it.

    `uri` is canonical and percent-encoded (`file:///a/b%20c.jpg`), so it is always valid UTF-8.
    `version` changes when the content may have changed (etag, or mtime in ns and size). `place` is
    the source's own note of where in a container the bytes lie; nobody else reads it.
    """

    uri: str
    size: int
    version: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one image could not be indexed. `kind` is a stable word, `reason` a sentence."""

    uri: str
    stage: Literal["list", "read", "decode", "embed"]
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a model wants its pixels: what is done to uint8 pixels first, then their normalisation.

    mode "shortest-edge": the shorter side becomes `edge`, then a centre crop of (height, width).
    mode "exact": both sides are resized to (height, width), whatever the aspect.
    `resample` is PIL's code (2 bilinear, 3 bicubic). mean and std apply to pixels / 255.
    """

    height: int
    width: int
    mode: Literal["shortest-edge", "exact"]
    edge: int
    resample: int = 3
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    version: int = 1  # of pdray's own decode-and-resize path

    @property
    def pixel_key(self) -> str:
        """Names the uint8 pixels alone: models that differ only in mean and std share them."""
        return (
            f"{self.mode}-{self.edge}-{self.height}x{self.width}-r{self.resample}-v{self.version}"
        )

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one image's uint8 pixels."""
        return self.height * self.width * 3


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which encoder to build, small enough to travel; the encoder is built where it runs.

    `name` is what the user said (hub name, folder or "builtin"), `location` the folder or hub name
    that transformers loads, `revision` the hub commit where there is one. `fingerprint` tells two
    sets of weights apart whatever they are called.
    """

    name: str
    location: str
    revision: str | None
    model_type: str  # transformers' config.model_type
    dim: int
    fingerprint: str
    preprocessing: Preprocessing

    @property
    def space(self) -> str:
        """Key of the embedding space: same weights and same preprocessing, same space."""
        return _space(self.name, self.fingerprint, self.preprocessing)

    def to_json(self) -> dict[str, object]:
        """A JSON document that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, object]) -> "ModelSpec":
        """The inverse of `to_json`."""
        return cls(**{**document, "preprocessing": _preprocessing(document)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class CaptionerSpec:
    """Which captioner to build, small enough to travel; it is built where it runs.

    `kind` is transformers' config.model_type, or "package.module:Class" for a class of someone
    else's. `beams` is 1 for greedy generation, `longest` the most tokens of a caption.
    """

    name: str
    location: str
    revision: str | None
    kind: str
    fingerprint: str
    preprocessing: Preprocessing
    beams: int = 1
    longest: int = 40

    @property
    def key(self) -> str:
        """Key of the family of its captions: what may change a caption changes the key."""
        what = [self.fingerprint, asdict(self.preprocessing), self.beams, self.longest]
        text = json.dumps(what, sort_keys=True)
        return f"{_label(self.name)}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def to_json(self) -> dict[str, object]:
        """A JSON document that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, object]) -> "CaptionerSpec":
        """The inverse of `to_json`."""
        return cls(**{**document, "preprocessing": _preprocessing(document)})  # type: ignore[arg-type]


def _preprocessing(document: dict[str, object]) -> Preprocessing:
    pixels = dict(document["preprocessing"])  # type: ignore[call-overload]
    pixels["mean"], pixels["std"] = tuple(pixels["mean"]), tuple(pixels["std"])
    return Preprocessing(**pixels)


@functools.lru_cache(16)  # each row asks for it: 0.1 ms
def _space(name: str, fingerprint: str, preprocessing: Preprocessing) -> str:
    what = json.dumps([fingerprint, asdict(preprocessing)], sort_keys=True)
    return f"{_label(name)}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def _label(name: str) -> str:
    label = re.sub(r"[^a-z0-9]+", "-", name.rstrip("/").rsplit("/", 1)[-1].lower())
    return label.strip("-")[:32]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What an image, or its source beside it, says of it, in SI units; None for nothing."""

    taken_at: str | None = None  # ISO 8601 as the camera wrote it; with offset where it is known
    camera_make: str | None = None
    camera_model: str | None = None
    lens: str | None = None
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    latitude: float | None = None  # degrees, north positive
    longitude: float | None = None  # degrees, east positive
    altitude_m: float | None = None
    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    rating: int | None = None  # 0 to 5, -1 rejected
    caption: str | None = None  # what the source says beside the image: a sidecar, a column
    extra: str | None = None  # whatever else it says, a JSON object


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Where a thumbnail lies: `length` bytes at `offset` of the pack (a path in the workspace)."""

    pack: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One row of the catalog: what is known of (collection, uri) as of one commit.

    The row with the highest `seq` of its uri is the live one; `part` breaks ties. A failed row
    keeps the image id that the uri had, so that it returns when the file is mended; a deleted row
    is a tombstone.
    """

    uri: str
    size: int
    version: str
    seq: int
    status: Status
    run_id: str
    image_id: str | None = None  # canonical UUID text
    content_id: str | None = None  # 32 hex digits: 128 bits of the SHA-256 of the bytes
    phash: str | None = None  # 16 hex digits: 64-bit perceptual hash
    width: int | None = None  # pixels as shown, after orientation
    height: int | None = None
    format: str | None = None  # "jpeg", "png", ...
    space: str | None = None  # embedding space in which this commit made sure of a vector
    metadata: Metadata = field(default_factory=Metadata)
    thumbnail: Thumbnail | None = None
    failure: Failure | None = None


class Said(TypedDict, total=False):
    """What people say of an image; what is absent the file or a model says. A JSON document.

    `tags` are beside those of the file, of which `without` are taken away. `rating` is 0 to 5.
    """

    tags: list[str]
    without: list[str]
    rating: int
    caption: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search. `score` is cosine similarity, or the fused score of a mixed query."""

    rank: int
    score: float
    uri: str
    id: str
    size: int | None = None  # bytes
    width: int | None = None
    height: int | None = None
    taken_at: str | None = None
    thumbnail: Thumbnail | None = None
    caption: str | None = None
    caption_by: str | None = None  # the model that made it; None where the source said it


def content_id(data: bytes) -> str:
    """128 bits of the SHA-256 of the bytes, as 32 hex digits."""
    return hashlib.sha256(data).hexdigest()[:32]


def image_id(collection: str, uri: str, content: str) -> str:
    """UUIDv5 (RFC 9562) of collection, uri at first sight and content id at first sight."""
    return str(uuid.uuid5(IMAGE_NAMESPACE, "\n".join((collection, uri, content))))
