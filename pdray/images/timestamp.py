"""Dates as image files write them, to ISO 8601."""

import re
from datetime import datetime

_DATE = re.compile(
    r"(\d{4})[:\-./](\d{1,2})[:\-./](\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?"
)
_ZONE = re.compile(r"(Z|[+-](?:0\d|1[0-4]):[0-5]\d)$")


def timestamp(written: str | None, zone: str | None = None) -> str | None:
    """`2023:05:06 10:11:12` and `+02:00` to `2023-05-06T10:11:12+02:00`.

    The local time is kept as written; the offset comes from `zone`, else from the end of `written`,
    and is left out where neither is a real one. None for what is no date ("0000:00:00 00:00:00").
    """
    found = _DATE.match(written.strip()) if written else None
    if not written or not found:
        return None
    try:
        moment = datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    offset = _ZONE.search((zone or "").strip()) or (
        _ZONE.search(written.strip()) if found.group(4) else None
    )
    return moment.isoformat() + (offset.group(1).replace("Z", "+00:00") if offset else "")
