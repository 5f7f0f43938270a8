"""What is left to a server that holds the embedded index and brings it up to date by itself."""

import time
from collections.abc import Collection

from pdray.catalog import pointer
from pdray.catalog.catalog import Catalog
from pdray.errors import IndexUnavailable
from pdray.index.following import applied, follower
from pdray.index.target import IndexTarget
from pdray.ingest.project import waiting
from pdray.records import ModelSpec

_LOOK_SECONDS = 0.1
SECONDS = 60.0


def left_to(catalog: Catalog, target: IndexTarget, collection: str, spec: ModelSpec) -> str | None:
    """The server that brings a collection's index up to date, for a message; None where there is
    none. It follows the model that serves: an index for another one is made by who made its
    vectors.
    """
    who = follower(target)
    if who is None:
        return None
    serving = pointer.current(catalog, collection)
    return who if serving and serving.spec.space == spec.space else None


def wait(
    catalog: Catalog,
    target: IndexTarget,
    collection: str,
    spec: ModelSpec,
    parts: Collection[str] | None = None,
    *,
    seconds: float = SECONDS,
) -> None:
    """Returns when the server has applied these parts, or all. Raises IndexUnavailable where it
    ended or takes longer.
    """
    end = time.monotonic() + seconds
    while True:
        pending, _ = waiting(catalog, collection, applied(target, spec.space))
        if not pending or (parts is not None and not set(parts).intersection(pending)):
            return
        who = left_to(catalog, target, collection, spec)
        if who is None or time.monotonic() > end:
            raise IndexUnavailable(
                f"{who or 'The server'} holds the index and has not brought it up to date: see "
                "its log, then try again."
            )
        time.sleep(_LOOK_SECONDS)
