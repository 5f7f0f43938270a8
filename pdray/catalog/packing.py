"""Thumbnail packs written anew, so that the thumbnails of dead rows go.

A row whose thumbnail moves gets the next sequence number and is committed like any other, so that
every index learns the new place in the ordinary way; until one does, it shows no thumbnail there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from pdray.catalog.catalog import Catalog, new_attempt
from pdray.catalog.units import Item, unit_id
from pdray.catalog.view import connect, load_live
from pdray.records import ImageRecord

_ROWS_A_PACK = 1024  # about 20 MB
_KEYS = ["uri", "seq", "status", "thumb_pack", "thumb_length"]

Wasteful = dict[str, dict[str, set[tuple[str, int]]]]


def wasteful(
    catalog: Catalog, collection: str, sizes: Mapping[str, int], anew: Collection[str] = ()
) -> Wasteful:
    """Packs of which more than half is dead, and those among `anew` of which anything is.

    `sizes` are the bytes of packs by path; others are passed over. Gives by pack and row part the
    (uri, seq) of the rows that show it. A pack that no live row shows is not among them.
    """
    found: Wasteful = defaultdict(lambda: defaultdict(set))
    with connect() as con:
        load_live(con, catalog, collection, _KEYS)
        rows = con.execute(
            "SELECT thumb_pack, sum(thumb_length) FROM live WHERE status = 'ok' GROUP BY 1"
        ).fetchall()
        packs = [
            (pack,)
            for pack, used in rows
            if pack in sizes and (2 * used < sizes[pack] or (pack in anew and used < sizes[pack]))
        ]
        if not packs:
            return {}
        con.execute("CREATE TABLE packs (thumb_pack VARCHAR)")
        con.executemany("INSERT INTO packs VALUES (?)", packs)
        rows = con.execute(
            "SELECT thumb_pack, part, uri, seq FROM live SEMI JOIN packs USING (thumb_pack) "
            "WHERE status = 'ok'"
        ).fetchall()
    for pack, part, uri, seq in rows:
        found[pack][part].add((uri, seq))
    return found


def repack(catalog: Catalog, collection: str, packs: Wasteful) -> int:
    """Writes these packs anew without what is dead; returns how many rows were committed."""
    done = 0
    rows = _rows(catalog, packs)
    while some := list(islice(rows, _ROWS_A_PACK)):
        moved = [replace(row, seq=row.seq + 1) for row in some]
        items = [Item(row.uri, row.size, row.version, row.seq, 0) for row in moved]
        unit = unit_id(collection, "repacked", items)
        data = [catalog.thumbnail(row.thumbnail) for row in some if row.thumbnail]
        places = catalog.write_thumbnails(unit, new_attempt(), data)
        moved = [replace(r, thumbnail=p) for r, p in zip(moved, places, strict=True)]
        catalog.commit(collection, unit, moved, {}, {place.pack for place in places})
        done += len(moved)
    return done


def _rows(catalog: Catalog, packs: Wasteful) -> Iterator[ImageRecord]:
    """The rows, each part read once."""
    wanted: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for parts in packs.values():
        for part, keys in parts.items():
            wanted[part] |= keys
    for part, keys in sorted(wanted.items()):
        for record in catalog.read_part(part).records:
            if (record.uri, record.seq) in keys and record.thumbnail:
                yield record
