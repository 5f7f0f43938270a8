"""The members of an uncompressed tar file, found by its headers alone."""

import posixpath
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from pdray.sources.failure import Damaged

_BLOCK = 512


class Member(NamedTuple):
    """One regular file in the tar: its `size` bytes lie at `offset`."""

    name: str  # relative, with "/" between names; bytes that are not UTF-8 as surrogate escapes
    offset: int
    size: int


def members(file: BinaryIO, size: int) -> Iterator[Member]:
    """Regular files in the order of the tar, GNU and pax long names resolved.

    `file` must seek; only headers are read. Raises Damaged after the members that are whole: where
    a member's data or a header is cut off or is no header, or the two closing zero blocks lack.
    Links and sparse files have no bytes of their own and are left out.
    """
    try:
        # Strict: a tar that is compressed under its plain name can't be read by ranges.
        with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as tar:
            while (found := tar.next()) is not None:
                # tarfile remembers every member, which a shard of millions must not cost.
                tar.members = []  # type: ignore[attr-defined]
                if found.offset_data + found.size > size and found.isreg():
                    raise Damaged(f"It is cut off inside {_shown(found.name)}.")
                if found.isreg() and not found.issparse():
                    name = posixpath.normpath(found.name.lstrip("/"))
                    yield Member(name, found.offset_data, found.size)
            end = tar.offset
    except tarfile.TarError as error:
        raise Damaged(_reason(error, size)) from error
    _check_end(file, end)


def _check_end(file: BinaryIO, end: int) -> None:
    """tarfile stops silently at the end of the file and at a header that is none."""
    file.seek(end)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        raise Damaged("It is cut off: the mark of its end is missing.")
    if block.count(0) != _BLOCK:
        raise Damaged(f"It is damaged: there is no member at byte {end}, where one should be.")


def _reason(error: tarfile.TarError, size: int) -> str:
    if not size:
        return "It is empty."
    if isinstance(error, tarfile.ReadError) and "unexpected end" in str(error):
        return "It is cut off."
    return "It is no plain tar file, or it is damaged; compressed tars must be unpacked first."


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
