"""What people said, from the database into indexes."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from pdray.index.protocol import Index
from pdray.library.library import Library
from pdray.library.rows import Row


def carry(library: Library, ids: Iterable[str], indexes: Callable[[str], Sequence[Index]]) -> None:
    """Brings what is said of these images into the indexes of their collections, whatever others
    do meanwhile; then they wait no longer. Raises IndexUnavailable and LibraryUnavailable.
    """
    wanted = list(ids)
    while wanted:
        rows = library.rows(wanted)
        write(rows, indexes)
        # Whoever wrote an older edit after a newer one would leave it there.
        now = {row.image_id: row.revision for row in library.rows(wanted)}
        settled = [row for row in rows if now.get(row.image_id) == row.revision]
        library.arrived(settled)
        done = {row.image_id for row in settled}
        wanted = [row.image_id for row in rows if row.image_id not in done]


def write(rows: Iterable[Row], indexes: Callable[[str], Sequence[Index]]) -> None:
    """Writes rows as they are, those that say nothing any more too."""
    ordered = sorted(rows, key=lambda row: row.collection)
    for collection, some in groupby(ordered, key=lambda row: row.collection):
        said = {row.image_id: row.said for row in some}
        for index in indexes(collection):
            index.annotate(said)
