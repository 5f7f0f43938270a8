"""Whether the end of a file is missing, told from what its container says of its length.

Decoders often call a file that was cut short merely damaged, and some make grey of what is missing.
"""

import struct

_ZEROS = bytes(64)


def is_short(data: bytes, name: str) -> bool:
    """Whether the bytes end before their container says so. Of use only once decoding failed."""
    if name == "webp":
        return len(data) < 12 or 8 + int.from_bytes(data[4:8], "little") > len(data)
    if name == "tiff":
        order = "little" if data.startswith(b"II") else "big"
        return len(data) < 8 or int.from_bytes(data[4:8], order) + 2 > len(data)  # type: ignore[arg-type]
    if name in ("avif", "heif"):
        return _boxes_end(data) > len(data)
    if name == "jpeg2000":
        return not data.rstrip(b"\0").endswith(b"\xff\xd9") or _boxes_end(data) > len(data)
    if name == "gif":
        return len(data) < 26 or not data.rstrip(b"\0").endswith(b";")
    return False


def is_zero_filled(data: bytes, name: str) -> bool:
    """Whether the rest of a compressed picture is zeros, as an interrupted copy leaves it.

    libjpeg and libwebp make grey of them without a word. Told only where the picture comes last.
    """
    if not data.endswith(_ZEROS):
        return False
    if name == "webp":  # in the simple layout no padded metadata follow
        return data[12:15] == b"VP8" and data[15:16] in b" L"
    if name == "jpeg":
        start = _scan_start(data)
        return start > 0 and data.find(b"\xff\xd9", start) < 0  # entropy-coded data can't hold it
    return False


def _scan_start(data: bytes) -> int:
    """Offset of the first scan of a JPEG, 0 where there is none."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xDA:
            return at
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0


def _boxes_end(data: bytes) -> int:
    """Where the last top-level box ends by its own length (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < 8:  # 0 reaches to the end of the file, others are damage
            return len(data)
        at += length
    return at if at >= len(data) else len(data) + 1  # a box header was cut
