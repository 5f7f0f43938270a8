"""XMP: title, description, keywords and rating as photo managers write them (ISO 16684-1)."""

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from PIL import Image

from pdray.images.text import clean, distinct

_MAX_BYTES = 4_000_000
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_XMP = "{http://ns.adobe.com/xap/1.0/}"
_PHOTOSHOP = "{http://ns.adobe.com/photoshop/1.0/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_AUX = "{http://ns.adobe.com/exif/1.0/aux/}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True, slots=True)
class Xmp:
    """What is read of it. `created` is as written."""

    title: str | None = None
    description: str | None = None
    keywords: tuple[str, ...] = ()
    rating: int | None = None
    created: str | None = None
    lens: str | None = None


def read_xmp(image: Image.Image) -> Xmp:
    """XMP of an opened image; empty where there is none. Raises what the parser raises."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or len(packet) > _MAX_BYTES:
        return Xmp()
    return parse_xmp(packet)


def parse_xmp(packet: bytes) -> Xmp:
    """Reads an XMP packet; entities and document types are refused by the parser (defusedxml)."""
    from defusedxml.ElementTree import fromstring  # here: a bare machine need not have it

    start = packet.find(b"<")
    if start < 0:
        return Xmp()
    root = fromstring(packet[start:].rstrip(b"\0 \r\n\t"), forbid_dtd=True)
    nodes = list(root.iter(f"{_RDF}Description"))
    created = [f"{_EXIF}DateTimeOriginal", f"{_PHOTOSHOP}DateCreated", f"{_XMP}CreateDate"]
    return Xmp(
        title=_localised(nodes, f"{_DC}title"),
        description=_localised(nodes, f"{_DC}description"),
        keywords=distinct(clean(text) for text in _items(nodes, f"{_DC}subject")),
        rating=_rating(_simple(nodes, f"{_XMP}Rating")),
        created=next((v for v in (_simple(nodes, name) for name in created) if v), None),
        lens=_simple(nodes, f"{_AUX}Lens"),
    )


def _simple(nodes: list[Element], name: str) -> str | None:
    """A plain property, written as an attribute or as an element."""
    for node in nodes:
        value = node.get(name) or node.findtext(name)
        if value and value.strip():
            return clean(value)
    return None


def _items(nodes: list[Element], name: str) -> list[str | None]:
    """The members of a bag or sequence."""
    return [item.text for node in nodes for item in node.iterfind(f"{name}//{_RDF}li")]


def _localised(nodes: list[Element], name: str) -> str | None:
    """A language alternative: the default language, else the first; else a plain property."""
    items = [item for node in nodes for item in node.iterfind(f"{name}//{_RDF}li")]
    items.sort(key=lambda item: item.get(_XML_LANG) != "x-default")
    return next((text for item in items if (text := clean(item.text))), None) or _simple(
        nodes, name
    )


def _rating(written: str | None) -> int | None:
    try:
        value = round(float(written or ""))
    except (ValueError, OverflowError):
        return None
    return value if -1 <= value <= 5 else None
