"""Which columns of a Parquet file hold images, names and captions."""

from dataclasses import dataclass

import pyarrow as pa

from pdray.sources.failure import Damaged

_IMAGES = (
    "image", "images", "img", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes", "content",
)  # fmt: skip
_URLS = ("image_url", "url", "image_uri", "uri", "image", "image_path")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the user says of Parquet files. None: found by usual names, or the row's number."""

    image: str | None = None
    key: str | None = None
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file. `form` is what a value of the image column is."""

    image: str
    form: str  # "bytes", "struct" (Hugging Face: bytes and path) or "url"
    key: str | None
    caption: str | None
    facts: tuple[str, ...]  # the plain columns beside

    @property
    def read(self) -> list[str]:
        """What has to be read for whole rows."""
        return [self.image, *self.facts]

    @property
    def bytes_path(self) -> str:
        """The leaf column that the size of a row is judged by."""
        return f"{self.image}.bytes" if self.form == "struct" else self.image


def layout(schema: pa.Schema, columns: Columns) -> Layout:
    """Finds the columns. Raises Damaged in one sentence where there are none."""
    image = columns.image or _usual(schema)
    if image is None:
        raise Damaged(
            "It has no column that is known to hold images: name it by sources.parquet_image."
        )
    for name in (image, columns.key, columns.caption):
        if name is not None and name not in schema.names:
            raise Damaged(f"It has no column {name}; it has {', '.join(schema.names)[:200]}.")
    form = _form(schema.field(image).type)
    if form is None:
        raise Damaged(f"Its column {image} holds neither bytes nor URLs.")
    facts = tuple(f.name for f in schema if f.name != image and _is_plain(f.type))
    return Layout(image, form, columns.key, columns.caption, facts)


def _usual(schema: pa.Schema) -> str | None:
    """By usual names, else the only column of bytes, else a column of URLs by its name."""
    lower = {name.lower(): name for name in schema.names}
    for name in _IMAGES:
        if name in lower and _form(schema.field(lower[name]).type) in ("bytes", "struct"):
            return str(lower[name])
    binary = [f.name for f in schema if _form(f.type) in ("bytes", "struct")]
    if len(binary) == 1:
        return str(binary[0])
    for name in _URLS:
        if name in lower and _form(schema.field(lower[name]).type) == "url":
            return str(lower[name])
    return None


def _form(kind: pa.DataType) -> str | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_struct(kind):
        inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
        return "struct" if "bytes" in inner and _form(inner["bytes"]) == "bytes" else None
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "bytes"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "url"
    return None


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return (
        _form(kind) == "url"
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_temporal(kind)
        or types.is_decimal(kind)
    )
