"""Which format some bytes are, told from their first bytes and never from a file name."""

import re
import struct

from pdray.images.errors import ImageError

# (offset, signature, format). Only formats whose decoders are safe on hostile bytes: EPS starts an
# interpreter, icons hide a second image of any size behind a small header.
_READABLE: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (8, b"WEBP", "webp"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "jpeg2000"),
    (0, b"\xff\x4f\xff\x51", "jpeg2000"),
)

_KNOWN_BUT_UNREAD: tuple[tuple[int, bytes, str], ...] = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript drawing"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"\xff\x0a", "a JPEG XL image"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"icns", "an icon"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIU\0", "a camera raw file"),
    (0, b"v/1\x01", "an OpenEXR image"),
    (0, b"#?RADIANCE", "a Radiance HDR image"),
    (0, b"DDS ", "a DirectDraw surface"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (8, b"AVI ", "a video"),
)

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1"}
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}  # "BM" alone also starts English words
_NETPBM = re.compile(rb"P[1-6][\s#]")


def sniff(data: bytes) -> str:
    """Name of the format: "jpeg", "png", "gif", "webp", "tiff", "bmp", "ppm", "avif", "heif" or
    "jpeg2000".

    Raises ImageError "empty", "unsupported" (a known format that pdray does not read) or
    "not-an-image".
    """
    if not data:
        raise ImageError("empty", "The file is empty.")
    for offset, signature, name in _READABLE:
        if data.startswith(signature, offset):
            return name
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "bmp"
    if _NETPBM.match(data):
        return "ppm"
    for offset, signature, name in _KNOWN_BUT_UNREAD:
        if data.startswith(signature, offset):
            raise ImageError(
                "unsupported",
                f"The file is {name}, which pdray does not read; convert it to JPEG or PNG.",
            )
    raise ImageError("not-an-image", "The content is not that of any image format known to pdray.")


def _iso_media(data: bytes) -> str:
    """Tells AVIF and HEIF from videos by the brands of the `ftyp` box (ISO/IEC 14496-12)."""
    (length,) = struct.unpack(">I", data[:4])
    box = data[8 : min(max(length, 16), 256)]
    brands = {box[i : i + 4] for i in range(0, len(box), 4)}
    if brands & _AVIF_BRANDS:
        return "avif"
    if brands & _HEIF_BRANDS:
        return "heif"
    what = "a camera raw file" if b"crx " in brands else "a video"
    raise ImageError(
        "unsupported", f"The file is {what}, which pdray does not read; convert it to JPEG or PNG."
    )
