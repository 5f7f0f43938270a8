"""Bytes to pixels, metadata, fingerprints and a thumbnail. No torch, no Ray."""

from pdray.images.errors import ImageError
from pdray.images.examine import Examined, decode_pixels, examine
from pdray.images.fingerprint import hamming

__all__ = ["Examined", "ImageError", "decode_pixels", "examine", "hamming"]
