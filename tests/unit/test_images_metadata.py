"""What an image says of itself: EXIF, XMP and IPTC, and what is made of it where it is damaged."""

import io
import random
import struct
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from pdray.images import examine
from pdray.images.exif_block import pruned
from pdray.images.text import clean
from pdray.images.timestamp import timestamp
from pdray.images.xmp import Xmp, parse_xmp
from pdray.records import Metadata

CAMERA, GPS = 0x8769, 0x8825


def block(
    main: dict[int, Any] | None = None,
    camera: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Image.Exif:
    exif = Image.Exif()
    exif.update(main or {})
    exif.get_ifd(CAMERA).update(camera or {})
    exif.get_ifd(GPS).update(gps or {})
    return exif


def full() -> Image.Exif:
    return block(
        {0x010F: "Canon", 0x0110: "EOS R5", 0x010E: "A boat", 0x0132: "2024:01:01 00:00:00"},
        {
            0x829A: IFDRational(1, 250),
            0x829D: IFDRational(28, 10),
            0x8827: 400,
            0x9003: "2023:05:06 10:11:12",
            0x9011: "+02:00",
            0x920A: IFDRational(50, 1),
            0xA434: "RF50mm F1.2",
            0x927C: bytes(2000),
        },
        {
            1: "S",
            2: (33.0, 51.0, 30.0),
            3: "W",
            4: (70.0, 30.0, 0.0),
            5: b"\1",
            6: IFDRational(35, 1),
        },
    )


def encoded(format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), (90, 120, 200)).save(out, format, **options)
    return out.getvalue()


def metadata(data: bytes) -> Metadata:
    return examine(data, []).metadata


FULL = Metadata(
    taken_at="2023-05-06T10:11:12+02:00",
    camera_make="Canon",
    camera_model="EOS R5",
    lens="RF50mm F1.2",
    exposure_seconds=0.004,
    f_number=2.8,
    iso=400,
    focal_length_mm=50.0,
    latitude=pytest.approx(-33.858333, abs=1e-5),  # type: ignore[arg-type]
    longitude=-70.5,
    altitude_m=-35.0,
    description="A boat",
)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_is_read_from_every_format_that_carries_it(format: str) -> None:
    assert metadata(encoded(format, exif=full().tobytes())) == FULL


def test_an_image_without_metadata_says_nothing() -> None:
    for format in ("JPEG", "PNG", "GIF", "BMP", "TIFF"):
        assert metadata(encoded(format)) == Metadata()


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    exif = full()
    exif.endian = order
    assert metadata(encoded(exif=exif.tobytes())) == FULL


def test_the_exif_that_imagemagick_puts_into_a_png_as_text_is_read() -> None:
    from PIL.PngImagePlugin import PngInfo

    raw = full().tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(raw):8}\n{raw.hex()}\n")
    assert metadata(encoded("PNG", pnginfo=info)) == FULL


@pytest.mark.parametrize(
    ("camera", "main", "expected"),
    [
        ({0x9003: "2023:05:06 10:11:12"}, {}, "2023-05-06T10:11:12"),
        ({0x9004: "2022:01:02 03:04:05", 0x9012: "-05:30"}, {}, "2022-01-02T03:04:05-05:30"),
        ({0x9003: "0000:00:00 00:00:00"}, {0x0132: "2020:02:02 02:02:02"}, "2020-02-02T02:02:02"),
        ({0x9003: "    :  :     :  :  "}, {}, None),
        ({0x9003: "2023:13:45 10:11:12"}, {}, None),
        ({0x9003: "2023:05:06 10:11:12", 0x9011: "   :  "}, {}, "2023-05-06T10:11:12"),
    ],
)
def test_the_date_is_the_one_of_the_shot_and_garbage_is_none(
    camera: dict[int, str], main: dict[int, str], expected: str | None
) -> None:
    assert metadata(encoded(exif=block(main, camera))).taken_at == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2023-05-06T10:11:12.25Z", "2023-05-06T10:11:12+00:00"),
        ("2023-05-06T10:11+01:00", "2023-05-06T10:11:00+01:00"),
        ("2023-05-06", "2023-05-06T00:00:00"),
        ("2023/05/06 7:08:09", "2023-05-06T07:08:09"),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates_of_other_writers_are_understood(written: str, expected: str | None) -> None:
    assert timestamp(written) == expected


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: (91.0, 0.0, 0.0), 3: "E", 4: (2.0, 0.0, 0.0)},
        {1: "N", 2: (0.0, 0.0, 0.0), 3: "E", 4: (0.0, 0.0, 0.0)},
        {1: "N", 2: (IFDRational(0, 0),) * 3, 3: "E", 4: (IFDRational(0, 0),) * 3},
        {1: "N", 2: (48.0, 51.0, 30.0)},
    ],
    ids=["beyond-the-pole", "no-fix", "unknown", "half"],
)
def test_a_position_that_is_none_is_left_out(gps: dict[int, Any]) -> None:
    read = metadata(encoded(exif=block({0x010F: "Maker"}, None, gps)))
    assert (read.latitude, read.longitude) == (None, None)
    assert read.camera_make == "Maker"


def test_zero_and_infinite_numbers_are_left_out() -> None:
    camera = {0x829A: IFDRational(0, 0), 0x829D: IFDRational(0, 1), 0x920A: IFDRational(5, 0)}
    read = metadata(encoded(exif=block({0x010F: "Maker"}, camera)))
    assert (read.exposure_seconds, read.f_number, read.focal_length_mm) == (None, None, None)


def test_strings_are_cleaned_and_bounded() -> None:
    main = {0x010F: "  Maker\0\0junk", 0x010E: "x" * 1900, 0x0110: b"Caf\xe9"}
    read = metadata(encoded(exif=block(main)))
    assert (read.camera_make, read.camera_model) == ("Maker", "Café")
    assert read.description == "x" * 1000
    assert clean("a\x00b\x07\tc\ud800\n") == "ab c"


def test_windows_title_keywords_and_rating_are_read() -> None:
    main = {
        0x9C9B: "Ein Fjord".encode("utf-16-le") + b"\0\0",
        0x9C9E: "sea; boat;sea".encode("utf-16-le") + b"\0\0",
        0x4746: 4,
    }
    read = metadata(encoded(exif=block(main)))
    assert (read.title, read.keywords, read.rating) == ("Ein Fjord", ("sea", "boat"), 4)


XMP = b"""<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
  xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
  xmp:Rating="5" photoshop:DateCreated="2021-03-04T05:06:07+01:00">
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li> boat </rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
<dc:title><rdf:Alt><rdf:li xml:lang="de">Ein Fjord</rdf:li><rdf:li xml:lang="x-default">A fjord</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Calm &amp; cold</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
                    <?xpacket end="w"?>"""  # noqa: E501


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_xmp_is_read_from_every_format_that_carries_it(format: str) -> None:
    options: dict[str, Any] = {"xmp": XMP}
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": info}
    if format == "TIFF":
        options = {"tiffinfo": {700: XMP}}
    assert metadata(encoded(format, **options)) == Metadata(
        taken_at="2021-03-04T05:06:07+01:00",
        title="A fjord",
        description="Calm & cold",
        keywords=("sea", "boat"),
        rating=5,
    )


def test_what_people_edit_wins_over_the_camera_and_the_shot_over_the_edit() -> None:
    read = metadata(encoded(exif=full(), xmp=XMP))
    assert (read.description, read.taken_at) == ("Calm & cold", "2023-05-06T10:11:12+02:00")


def test_xmp_properties_may_be_elements_and_a_rejected_image_says_so() -> None:
    packet = XMP.replace(b'xmp:Rating="5"', b"").replace(
        b"<dc:subject>", b"<xmp:Rating>-1</xmp:Rating><dc:subject>"
    )
    assert parse_xmp(packet).rating == -1
    assert parse_xmp(packet.replace(b"-1", b"99")).rating is None


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<x",
        XMP[:300],
        b"\xff\xfe\x00" * 50,
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b"<a/>",
    ],
)
def test_damaged_xmp_costs_the_metadata_and_not_the_image(packet: bytes) -> None:
    read = metadata(encoded(exif=full(), xmp=packet)) if packet else metadata(encoded(exif=full()))
    assert read == FULL


def test_an_xmp_packet_of_nothing_is_empty() -> None:
    assert parse_xmp(b"no markup here") == Xmp()


def test_iptc_title_caption_and_keywords_are_read() -> None:
    def data_set(number: int, value: bytes) -> bytes:
        return b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(value)) + value

    record = data_set(25, b"sea") + data_set(25, "Küste".encode()) + data_set(5, b"Fjord")
    record += data_set(120, b"Calm")
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(record)) + record
    segment = b"Photoshop 3.0\0" + resource
    app13 = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    plain = encoded()
    read = metadata(plain[:2] + app13 + plain[2:])
    assert (read.title, read.description, read.keywords) == ("Fjord", "Calm", ("sea", "Küste"))


def damaged(harm: Callable[[bytearray, random.Random], None]) -> list[bytes]:
    random_ = random.Random(3)
    blocks = []
    for _ in range(150):
        raw = bytearray(full().tobytes())
        harm(raw, random_)
        blocks.append(bytes(raw))
    return blocks


def flip(raw: bytearray, random_: random.Random) -> None:
    for _ in range(random_.choice([1, 4, 30])):
        raw[random_.randrange(6, len(raw))] ^= 1 << random_.randrange(8)


def cut(raw: bytearray, random_: random.Random) -> None:
    del raw[random_.randrange(6, len(raw)) :]


@pytest.mark.filterwarnings("ignore")  # Pillow looks into the block for the resolution
@pytest.mark.parametrize("harm", [flip, cut])
def test_damaged_exif_never_costs_the_image(
    harm: Callable[[bytearray, random.Random], None],
) -> None:
    for raw in damaged(harm):
        assert isinstance(metadata(encoded(exif=raw)), Metadata)


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_chain_of_thousands_of_directories_is_not_followed() -> None:
    # Each directory claims 65,535 entries and links to the next: minutes of work for the parser.
    raw = bytearray(b"Exif\0\0II*\0" + struct.pack("<I", 8) + bytes(60_000))
    for at in range(8, 58_000, 8):
        struct.pack_into("<H", raw, 6 + at, 65_535)
    assert metadata(encoded(exif=bytes(raw))) == Metadata()


def test_a_huge_exif_block_is_read() -> None:
    exif = full()
    exif.get_ifd(CAMERA)[0x927C] = bytes(60_000)
    assert metadata(encoded(exif=exif)) == FULL


def test_a_block_without_a_single_entry_is_none() -> None:
    assert pruned(b"II*\0" + struct.pack("<IHI", 8, 0, 0) + bytes(20)) is None
    assert pruned(b"not a block at all, only words") is None
