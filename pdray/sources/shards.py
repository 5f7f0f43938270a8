"""Which files hold many images, and the uris of those: `file:///x/shard.tar!/key.jpg`."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

TAR, PARQUET = "tar", "parquet"

# Canonical uris percent-encode "!", so that it stands only here.
_INSIDE = re.compile(r"(.+?\.(?:tar|parquet))!/(.*)", re.IGNORECASE | re.DOTALL)
_AHEAD = 64 * 2**10  # bytes between two ranges that cost less than another request


def shard_kind(name: str) -> str | None:
    """ "tar" or "parquet" by the end of a file's name, in any case; None for another file."""
    end = name.rpartition(".")[2].lower()
    return end if "." in name and end in (TAR, PARQUET) else None


def split(uri: str) -> tuple[str, str] | None:
    """(uri of the shard, quoted name of the member); None for an image that lies by itself."""
    found = _INSIDE.fullmatch(uri)
    return (found[1], found[2]) if found else None


class Span(NamedTuple):
    """Bytes of a file: `size` of them at `offset`."""

    offset: int
    size: int

    @property
    def end(self) -> int:
        """The byte after the last."""
        return self.offset + self.size


def coalesce(spans: Iterable[Span]) -> list[Span]:
    """The fewest ranges that hold all spans without much between them; sorted."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.size):
        if merged and span.offset <= merged[-1].end + _AHEAD:
            last = merged[-1]
            merged[-1] = Span(last.offset, max(last.end, span.end) - last.offset)
        else:
            merged.append(span)
    return merged


def cut_out(span: Span, ranges: Sequence[Span], data: Sequence[bytes]) -> bytes:
    """The bytes of a span from the ranges that `coalesce` gave. Raises OSError if they fall short:
    the file is shorter than it was when it was listed.
    """
    if not span.size:
        return b""
    for whole, content in zip(ranges, data, strict=True):
        if whole.offset <= span.offset and span.end <= whole.end:
            found = content[span.offset - whole.offset : span.end - whole.offset]
            if len(found) == span.size:
                return found
    raise OSError("it is shorter than when it was listed")
