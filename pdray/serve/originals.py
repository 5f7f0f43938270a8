"""The original of an image in the catalog, where this process can reach it, whole or in part."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from pdray.config import Settings
from pdray.errors import PdrayError
from pdray.ingest.origins import MEMBER, open_sources
from pdray.records import ImageRef, content_id
from pdray.serve.problems import Problem
from pdray.sources.uri import to_path

_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def original(settings: Settings, payload: Mapping[str, Any]) -> Path | bytes:
    """A local file as its path, anything else as its bytes.

    Only what was indexed is given: a file that changed since is refused. Raises Problem 409 with
    the reason where the original can't be had.
    """
    uri = payload["uri"]
    shard = uri.partition(MEMBER)[0]
    try:
        (source,) = open_sources(settings, [shard])
        if shard == uri and uri.startswith("file://"):
            found = next(iter(source.list()), None)
            if not isinstance(found, ImageRef) or found.version != payload.get("version"):
                raise _changed()
            return Path(to_path(uri))
        data = source.read(uri)
    except (OSError, PdrayError) as error:
        raise Problem(
            409, "original-unreachable", f"The original can't be reached from here: {error}"
        ) from error
    if content_id(data) != payload.get("content_id"):
        raise _changed()
    return data


def _changed() -> Problem:
    return Problem(409, "original-changed", "The file changed since it was indexed: index it anew.")


def respond(
    original: Path | bytes, payload: Mapping[str, Any], headers: Mapping[str, str]
) -> Response:
    """The original, or the one range of it that is asked for; 304 where the client has it."""
    size = len(original) if isinstance(original, bytes) else original.stat().st_size
    etag = f'"{payload.get("content_id", "")}"'
    name = quote(str(payload.get("name") or "image"), safe="")
    more = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}",
        "X-Content-Type-Options": "nosniff",
        # Whatever a file says that it is, nothing in it runs here.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if etag in headers.get("if-none-match", ""):
        return Response(status_code=304, headers=more)
    asked = headers.get("range") if headers.get("if-range") in (None, etag) else None
    part = _part(asked, size)
    start, end = part or (0, size)
    if part:
        more["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    more["Content-Length"] = str(end - start)
    body = (
        iter([original[start:end]]) if isinstance(original, bytes) else _read(original, start, end)
    )
    kind = f"image/{payload.get('format', 'jpeg')}"
    return StreamingResponse(body, 206 if part else 200, headers=more, media_type=kind)


def _part(asked: str | None, size: int) -> tuple[int, int] | None:
    """(first byte, the byte after the last) of a range; None for the whole, which is also what RFC
    9110 wants for a header that is none, or has several ranges. Raises Problem 416.
    """
    found = _RANGE.fullmatch((asked or "").strip())
    if found is None or not (found[1] or found[2]) or max(map(len, found.groups())) > 18:
        return None
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise Problem(416, "bad-range", f"The file has {size} bytes: the range is beyond it.")
    return start, end


def _read(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (data := file.read(min(_CHUNK, end - start))):
            start += len(data)
            yield data
