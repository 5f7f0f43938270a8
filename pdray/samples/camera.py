"""Invented cameras and journeys: EXIF for pictures that no camera took."""

import datetime as dt
import random

from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import IFDRational

# (make, model, lens or "" where the camera tells none, focal lengths in mm)
CAMERAS: tuple[tuple[str, str, str, tuple[int, ...]], ...] = (
    ("Canon", "Canon EOS R6", "RF24-105mm F4 L IS USM", (24, 35, 50, 105)),
    ("NIKON CORPORATION", "NIKON Z 6_2", "NIKKOR Z 50mm f/1.8 S", (50,)),
    ("SONY", "ILCE-7M4", "FE 35mm F1.8", (35,)),
    ("FUJIFILM", "X-T5", "XF18-55mmF2.8-4 R LM OIS", (18, 23, 35, 55)),
    ("Apple", "iPhone 15 Pro", "iPhone 15 Pro back camera 6.86mm f/1.78", (7,)),
    ("Google", "Pixel 8", "", (7,)),
    ("OLYMPUS", "E-M10 Mark III", "", (14, 25, 42)),
)
# (latitude, longitude in degrees, offset of the clock in minutes)
PLACES: tuple[tuple[float, float, int], ...] = (
    (38.72, -9.14, 0),
    (64.15, -21.94, 0),
    (52.52, 13.40, 60),
    (-1.29, 36.82, 180),
    (28.61, 77.21, 330),
    (35.68, 139.69, 540),
    (-33.87, 151.21, 600),
    (-12.05, -77.04, -300),
    (40.71, -74.01, -300),
    (49.28, -123.12, -480),
)
FIRST_DAY = dt.datetime(2012, 1, 1)
DAYS = 5000


def draw_exif(rng: random.Random) -> Image.Exif:
    """Camera, lens, date with offset, exposure and position, for the `exif` of Pillow's `save`."""
    make, model, lens, focal_lengths = rng.choice(CAMERAS)
    latitude, longitude, offset = rng.choice(PLACES)
    taken = FIRST_DAY + dt.timedelta(days=rng.randrange(DAYS), seconds=rng.randrange(86_400))
    stamp = taken.strftime("%Y:%m:%d %H:%M:%S")
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model] = make, model
    exif[Base.Orientation] = 1
    exif[Base.DateTime] = stamp
    shot = exif.get_ifd(IFD.Exif)
    shot[Base.DateTimeOriginal] = shot[Base.DateTimeDigitized] = stamp
    shot[Base.OffsetTime] = shot[Base.OffsetTimeOriginal] = _clock(offset)
    shot[Base.ExposureTime] = IFDRational(1, rng.choice((8, 30, 60, 125, 250, 500, 1000, 4000)))
    shot[Base.FNumber] = IFDRational(rng.choice((18, 20, 28, 40, 56, 80, 110)), 10)
    shot[Base.ISOSpeedRatings] = rng.choice((64, 100, 200, 400, 800, 1600, 6400))
    shot[Base.FocalLength] = IFDRational(rng.choice(focal_lengths), 1)
    if lens:
        shot[Base.LensModel] = lens
    position = exif.get_ifd(IFD.GPSInfo)
    position.update(
        _position(latitude + rng.uniform(-0.5, 0.5), longitude + rng.uniform(-0.5, 0.5))
    )
    position[5], position[6] = b"\x00", IFDRational(rng.randrange(0, 9000), 10)
    return exif


def _clock(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _position(latitude: float, longitude: float) -> dict[int, object]:
    """The GPS tags 1 to 4: hemisphere, then degrees, minutes and seconds."""
    return {
        1: "N" if latitude >= 0 else "S",
        2: _sexagesimal(abs(latitude)),
        3: "E" if longitude >= 0 else "W",
        4: _sexagesimal(abs(longitude)),
    }


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    hundredths = round(degrees * 360_000)
    whole, rest = divmod(hundredths, 360_000)
    minutes, seconds = divmod(rest, 6_000)
    return IFDRational(whole, 1), IFDRational(minutes, 1), IFDRational(seconds, 100)
