"""Telling a rename from a deletion and a new image, before anything is decoded.

A few files are candidates by size or version (see Planner.candidates); these alone are hashed, and
where the content is the same the old row moves to the new uri: metadata, thumbnail, embedding and
id come along, through swaps and chains of names too. One process decides, in the order of uris, so
an id is never claimed twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

from pdray.catalog.catalog import Catalog
from pdray.catalog.plan import Vanished
from pdray.catalog.planner import Planner
from pdray.catalog.units import Item, unit_id
from pdray.catalog.view import KnownContents
from pdray.ingest.stages import failed_row
from pdray.records import Failure, ImageRecord, content_id

_READERS = 8
_ROWS_A_PART = 4096

Pair = tuple[Vanished, Item]


@dataclass(frozen=True, slots=True)
class Moves:
    """What moved. `pairs` are rows and where their images are now, each used once.

    `ended` are rows at uris that are still listed: another image took the uri, or the row's own
    image moved on. `anew` are the items at the uris of the latter: other images, seen for the first
    time.
    """

    pairs: list[Pair] = field(default_factory=list)
    ended: list[Vanished] = field(default_factory=list)
    anew: dict[str, Item] = field(default_factory=dict)

    @property
    def left(self) -> set[str]:
        """Uris that a moved image was at."""
        return {row.uri for row, _ in self.pairs}

    @property
    def reached(self) -> set[str]:
        """Uris that a moved image is at now."""
        return {item.uri for _, item in self.pairs}

    @property
    def replaced(self) -> int:
        """How many moved images are where another one was."""
        return len(self.reached & {row.uri for row in self.ended})

    def rest(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items that have to be read all the same."""
        reached = self.reached
        return (self.anew.get(item.uri, item) for item in items if item.uri not in reached)


def find(planner: Planner, read: Callable[[Item], bytes]) -> Moves:
    """What moved, by content. A file that can't be read has not moved."""
    found = planner.candidates()
    if not found.left or not found.arrived:
        return Moves()

    def hashed(item: Item) -> str | None:
        try:
            return content_id(read(item))
        except OSError:
            return None  # the run itself will say what is wrong with it

    with ThreadPoolExecutor(_READERS) as pool:
        contents = list(pool.map(hashed, found.arrived))
    return match(found.left, list(zip(found.arrived, contents, strict=True)))


def match(left: list[Vanished], arrived: list[tuple[Item, str | None]]) -> Moves:
    """Pairs rows with items by content (None: unknown). A pure function.

    A row whose uri is among the items has left it only if another content is there now.
    """
    now = {item.uri: (item, content) for item, content in arrived}
    gone = [
        row for row in left if row.uri not in now or now[row.uri][1] not in (None, row.content_id)
    ]
    here = [(i, c) for i, c in arrived if c is not None and c != i.content_id]
    pairs = _pair(gone, here)
    reached = {item.uri for _, item in pairs}
    moved_on = [row for row, _ in pairs if row.uri in now]
    anew = {row.uri: _anew(now[row.uri][0]) for row in moved_on if row.uri not in reached}
    ended = {row.uri: row for row in moved_on}
    for at, (row, item) in enumerate(pairs):
        if _has_row(item):
            ended.setdefault(item.uri, _row_at(item))
            pairs[at] = row, replace(item, seq=item.seq + 1)  # after the end of the row there
    return Moves(pairs, list(ended.values()), anew)


def _pair(gone: list[Vanished], here: list[tuple[Item, str]]) -> list[Pair]:
    """Same name first (a moved folder), then in order of uri."""
    by_content: dict[str | None, list[Vanished]] = defaultdict(list)
    for row in gone:
        by_content[row.content_id].append(row)
    pairs, left = [], []
    for item, content in here:
        rows = by_content.get(content, [])
        same = next((row for row in rows if _name(row.uri) == _name(item.uri)), None)
        if same:
            rows.remove(same)
            pairs.append((same, item))
        else:
            left.append((item, content))
    for item, content in left:
        if by_content.get(content):
            pairs.append((by_content[content].pop(0), item))
    return pairs


def _has_row(item: Item) -> bool:
    return item.image_id is not None


def _row_at(item: Item) -> Vanished:
    """The row that an item would have superseded."""
    return Vanished(
        item.uri, item.size, item.version, item.seq - 1, "ok", item.image_id, item.content_id, ""
    )


def _anew(item: Item) -> Item:
    """The same file as another image: after the end of the row there, with an id of its own."""
    return replace(item, seq=item.seq + 1, image_id=None, content_id=None, born=item.seq + 1)


def commit(
    catalog: Catalog, collection: str, run_id: str, known: KnownContents, space: str, moves: Moves
) -> None:
    """Commits the moved rows with the ends of those they leave or replace.

    `known` are the contents of the run's space. A row without a vector there keeps the space that
    it has, and is embedded by the next run.
    """
    old = _rows(catalog, [row for row, _ in moves.pairs])
    for pairs, ended in _batches(moves):
        rows = [tombstone(run_id, row) for row in ended]
        parts: set[str] = set()
        for row, item in pairs:
            place = known.find(str(row.content_id))
            before = old[row.uri]
            rows.append(
                replace(
                    before, uri=item.uri, size=item.size, version=item.version, seq=item.seq,
                    run_id=run_id, space=space if place else before.space,
                )
            )  # fmt: skip
            parts |= {place} if place else set()
        name = unit_id(collection, "moved", [item for _, item in pairs])
        catalog.commit(collection, name, rows, {space: sorted(parts)})


def _batches(moves: Moves) -> Iterator[tuple[list[Pair], list[Vanished]]]:
    """Pairs with the rows to end. What hangs together by names in use goes in one piece: half a
    chain would leave one id at two uris.
    """
    listed = {row.uri for row in moves.ended}
    linked = [p for p in moves.pairs if p[0].uri in listed or p[1].uri in listed]
    if linked:
        yield linked, [*moves.ended, *(row for row, _ in linked if row.uri not in listed)]
    plain = [p for p in moves.pairs if p[0].uri not in listed and p[1].uri not in listed]
    for start in range(0, len(plain), _ROWS_A_PART):
        some = plain[start : start + _ROWS_A_PART]
        yield some, [row for row, _ in some]


def _rows(catalog: Catalog, wanted: list[Vanished]) -> dict[str, ImageRecord]:
    """The live rows by uri, whole. Each part is read once."""
    uris: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for row in wanted:
        uris[row.part].add((row.uri, row.seq))
    found: dict[str, ImageRecord] = {}
    for part, keys in sorted(uris.items()):
        records = catalog.read_part(part).records
        found.update({r.uri: r for r in records if (r.uri, r.seq) in keys})
    return found


def tombstone(run_id: str, gone: Vanished) -> ImageRecord:
    """The row that ends a live one."""
    return ImageRecord(
        gone.uri, gone.size, gone.version, gone.seq + 1, "deleted", run_id, gone.image_id,
        gone.content_id,
    )  # fmt: skip


def commit_tombstones(
    catalog: Catalog, collection: str, run_id: str, vanished: Iterable[Vanished]
) -> int:
    """Ends the rows of images that are gone; returns how many."""
    ended = 0
    rest = iter(vanished)
    while some := list(islice(rest, _ROWS_A_PART)):
        items = [Item(v.uri, v.size, v.version, v.seq + 1, 0) for v in some]
        rows = [tombstone(run_id, v) for v in some]
        catalog.commit(collection, unit_id(collection, "deleted", items), rows, {})
        ended += len(some)
    return ended


def commit_failures(
    catalog: Catalog, collection: str, run_id: str, failures: Iterable[tuple[Item, Failure]]
) -> int:
    """Commits the rows of what could not even be listed; returns how many."""
    noted = 0
    rest = iter(failures)
    while some := list(islice(rest, _ROWS_A_PART)):
        rows = [failed_row(run_id, item, failure) for item, failure in some]
        name = unit_id(collection, "unlisted", [item for item, _ in some])
        catalog.commit(collection, name, rows, {})
        noted += len(some)
    return noted


def _name(uri: str) -> str:
    return uri.rsplit("/", 1)[-1]
