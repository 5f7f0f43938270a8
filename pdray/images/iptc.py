"""IPTC-IIM: the older editors' title, caption and keywords, in a JPEG's Photoshop block."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from pdray.images.text import clean, distinct

_RESOURCE = 0x0404  # Photoshop's number for the IPTC record
_TITLE, _KEYWORD, _CAPTION = 5, 25, 120  # data sets of record 2


@dataclass(frozen=True, slots=True)
class Iptc:
    """What is read of it."""

    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()


def read_iptc(image: Image.Image) -> Iptc:
    """IPTC of an opened JPEG; empty for other formats."""
    block = image.info.get("photoshop")
    record = block.get(_RESOURCE) if isinstance(block, dict) else None
    if not isinstance(record, bytes):
        return Iptc()
    title = caption = None
    keywords: list[str | None] = []
    for number, value in _data_sets(record):
        if number == _TITLE:
            title = clean(value)
        elif number == _CAPTION:
            caption = clean(value)
        elif number == _KEYWORD:
            keywords.append(clean(value))
    return Iptc(title, caption, distinct(keywords))


def _data_sets(record: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, value) of record 2, whose sets are 0x1C, record, number, 16-bit length, value."""
    at = 0
    while at + 5 <= len(record) and record[at] == 0x1C:
        length = int.from_bytes(record[at + 3 : at + 5], "big")
        if record[at + 1] == 2:
            yield record[at + 2], record[at + 5 : at + 5 + length]
        at += 5 + length
