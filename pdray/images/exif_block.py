"""The EXIF block of an image, cut down to the entries that are read.

exifread walks every entry of every directory in Python: on a camera's block most of the time goes
into tags that nobody asked for, and a hostile block of 64 kB can link thousands of directories of
65,535 entries each and keep it busy for minutes. An entry is 12 bytes whose offsets count from the
start of the block (TIFF 6.0), so entries can be dropped in place.
"""

import struct

from PIL import Image

_PREFIX = b"Exif\0\0"
_ORDER = {b"II": "<", b"MM": ">"}
_ENTRY = 12
_ORIENTATION = 0x0112
_MAX_COUNT = 2_000  # values of one entry; a name or a note is far shorter
_EXIF_POINTER, _GPS_POINTER = 0x8769, 0x8825
_MAIN = frozenset(
    (0x010E, 0x010F, 0x0110, 0x0132, 0x4746, 0x9C9B, 0x9C9E, _EXIF_POINTER, _GPS_POINTER)
)
_CAMERA = frozenset(
    (0x829A, 0x829D, 0x8827, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x920A, 0xA434)
)
_GPS = frozenset(range(1, 7))
# A TIFF file keeps these beside its EXIF: offsets, sizes and big profiles, of no use here.
_TIFF_LAYOUT = (273, 279, 324, 325, 330, 347, 700, 33723, 34377, 34675, 37724)


def exif_block(image: Image.Image) -> bytes | None:
    """A TIFF structure of at most three directories: main, camera, GPS. None if there is none."""
    block = _stored(image)
    if block is None and hasattr(image, "tag_v2"):
        block = _from_tiff(image)
    return pruned(block) if block else None


def stored_orientation(image: Image.Image) -> int:
    """The orientation tag as stored, 1 where there is none. Raises struct.error where damaged."""
    block = _stored(image) or b""
    order = _ORDER.get(block[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, start)
    for at in range(start + 2, start + 2 + count * _ENTRY, _ENTRY):
        tag, _, _, value, _ = struct.unpack_from(order + "HHIHH", block, at)
        if tag == _ORIENTATION:
            return int(value)
    return 1


def _stored(image: Image.Image) -> bytes | None:
    block = image.info.get("exif")
    if not block and (text := image.info.get("Raw profile type exif")):
        block = bytes.fromhex("".join(text.split("\n")[3:]))  # how ImageMagick put it into a PNG
    return block.removeprefix(_PREFIX) if isinstance(block, bytes) else None


def pruned(block: bytes) -> bytes | None:
    """The block with only the entries that are read and no preview; None where it holds none."""
    order = _ORDER.get(block[:2])
    if order is None or len(block) < 14:
        return None
    out = bytearray(block) + bytes(4)  # some writers leave out the link after the last entry
    pointers = _prune(out, order, struct.unpack_from(order + "I", block, 4)[0], _MAIN)
    _prune(out, order, pointers.get(_EXIF_POINTER, 0), _CAMERA)
    _prune(out, order, pointers.get(_GPS_POINTER, 0), _GPS)
    return bytes(out) if pointers else None


def _prune(block: bytearray, order: str, start: int, wanted: frozenset[int]) -> dict[int, int]:
    """Drops the other entries of the directory at `start`; gives the kept tags and values."""
    if start < 8 or start + 2 > len(block):
        return {}
    (count,) = struct.unpack_from(order + "H", block, start)
    first = start + 2
    count = min(count, (len(block) - first - 4) // _ENTRY)
    kept: dict[int, int] = {}
    entries = bytearray()
    for at in range(first, first + count * _ENTRY, _ENTRY):
        tag, _, values, value = struct.unpack_from(order + "HHII", block, at)
        if tag in wanted and tag not in kept and values <= _MAX_COUNT:
            kept[tag] = value
            entries += block[at : at + _ENTRY]
    if count > 0:
        struct.pack_into(order + "H", block, start, len(kept))
        entries += b"\0\0\0\0"  # no next directory
        block[first : first + len(entries)] = entries
    return kept


def _from_tiff(image: Image.Image) -> bytes:
    exif = image.getexif()
    for tag in _TIFF_LAYOUT:
        exif.pop(tag, None)
    return exif.tobytes().removeprefix(_PREFIX)
