"""The doors: open an index, or rebuild it. Qdrant is imported here and not before."""

from contextlib import AbstractContextManager

from pdray.index.protocol import Index
from pdray.index.target import IndexTarget


def open_index(target: IndexTarget, space: str, dim: int, *, wait_seconds: float = 10.0) -> Index:
    """The index of an embedding space, made where there is none.

    `space` is ModelSpec.space and `dim` its vectors' length. An embedded index has one owner:
    another process is waited for `wait_seconds`. Raises IndexUnavailable in one sentence.
    """
    if target.url is None:
        from pdray.index.edge import open_edge

        return open_edge(target, space, dim, wait_seconds=wait_seconds)
    from pdray.index.connection import connect
    from pdray.index.server import open_server

    return open_server(connect(target), target, space, dim)


def rebuild_index(
    target: IndexTarget, space: str, dim: int, *, wait_seconds: float = 10.0
) -> AbstractContextManager[Index]:
    """An empty index (and ledger) that replaces the old one when the block ends without error.

    It is optimised before it serves.
    Until then the old one stays as it is: a rebuild that fails or is killed changes nothing. An
    embedded index can't be searched meanwhile; on a server the old one goes on answering, but what
    others write to it during the rebuild reaches the new one only with the next run, and library
    keys only with the replay of the library.
    """
    if target.url is None:
        from pdray.index.edge import rebuild_edge

        return rebuild_edge(target, space, dim, wait_seconds=wait_seconds)
    from pdray.index.connection import connect
    from pdray.index.server import rebuild_server

    return rebuild_server(connect(target), target, space, dim)
