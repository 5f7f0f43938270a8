"""The index for a command that only looks: of the server that holds it, else opened here."""

from pdray.errors import IndexUnavailable
from pdray.index.opening import open_index
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.serve.meeting import place
from pdray.serve.shared import SOCKET, SharedIndex
from pdray.serve.wire import Caller


def reach(target: IndexTarget, space: str, dim: int, *, wait_seconds: float = 10.0) -> Index:
    """As `open_index`, but an embedded index that `pdray serve` holds is asked over its socket."""
    if target.url is None and (path := place(target) / SOCKET).exists():
        index = SharedIndex(Caller(path, patience=0.5), space)
        try:
            index.count()
        except IndexUnavailable:
            pass  # one that was killed leaves its socket; one that just started opens it yet
        else:
            return index
    return open_index(target, space, dim, wait_seconds=wait_seconds)
