"""Captions that models made: a derived family, keyed by content, shared by the whole workspace.

    captions/<key>/<unit>.parquet                  content_id -> caption, by one captioner
    collections/<collection>/captioner/<n>.json    whose captions are shown; the highest n counts

A part is named by its unit, never by the attempt, and written once: the first attempt's captions
count, and a later one finds them there. An empty caption is one: that content is not asked again.
"""

import io
import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pdray.catalog import schema
from pdray.catalog.catalog import Catalog
from pdray.catalog.view import KnownContents, known_in
from pdray.records import CaptionerSpec

FOLDER = "captions"
_HELD = 32  # parts in a reader's memory


def write(
    catalog: Catalog,
    spec: CaptionerSpec,
    unit_id: str,
    contents: Sequence[str],
    captions: Sequence[str],
) -> bool:
    """Writes a unit's captions of distinct contents; False where an attempt has before."""
    document = {"captioner": spec.to_json()}
    table = pa.table(
        {
            "content_id": pa.array([bytes.fromhex(c) for c in contents], pa.binary(16)),
            "caption": pa.array(list(captions), pa.string()),
        },
        metadata={schema.META: json.dumps(document, sort_keys=True).encode()},
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return catalog.create(part_path(spec.key, unit_id), sink.getvalue())


def part_path(key: str, unit_id: str) -> str:
    """Path of a unit's captions."""
    return f"{FOLDER}/{key}/{unit_id}.parquet"


def parts(catalog: Catalog, key: str) -> list[str]:
    """Paths of a captioner's parts, sorted."""
    return catalog.store.list(f"{FOLDER}/{key}", ".parquet")


def read(catalog: Catalog, path: str) -> dict[str, str]:
    """Captions by content. Raises FileNotFoundError."""
    table = pq.read_table(io.BytesIO(catalog.store.read(path)))
    contents = [value.hex() for value in table["content_id"].to_pylist()]
    return dict(zip(contents, table["caption"].to_pylist(), strict=True))


def known(catalog: Catalog, key: str) -> KnownContents:
    """All contents that a captioner has described."""
    return known_in(catalog, lambda: parts(catalog, key))


def serving(catalog: Catalog, collection: str) -> CaptionerSpec | None:
    """The captioner whose captions a collection shows; None where it has none."""
    paths = catalog.store.list(f"collections/{collection}/captioner", ".json")
    if not paths:
        return None
    return CaptionerSpec.from_json(json.loads(catalog.store.read(paths[-1]))["captioner"])


def serve(catalog: Catalog, collection: str, spec: CaptionerSpec) -> None:
    """Makes the collection show this captioner's captions; nothing where it does already."""
    while serving(catalog, collection) != spec:
        paths = catalog.store.list(f"collections/{collection}/captioner", ".json")
        number = int(paths[-1].rsplit("/", 1)[-1].split(".")[0]) + 1 if paths else 1
        document = json.dumps({"captioner": spec.to_json()}, sort_keys=True).encode()
        catalog.create(f"collections/{collection}/captioner/{number:08d}.json", document)


def mark(path: str, collection: str) -> str:
    """What a ledger calls a part of captions that a collection's points have."""
    return f"{path}#{collection}"


def marked(marks: Iterable[str]) -> list[str]:
    """Those among a ledger's names that are of captions, as paths."""
    return [name.partition("#")[0] for name in marks if name.startswith(f"{FOLDER}/")]


def unapplied(catalog: Catalog, collection: str, applied: Collection[str]) -> list[str]:
    """Marks of the parts that an index which applied these still lacks, sorted."""
    spec = serving(catalog, collection)
    if spec is None:
        return []
    marks = [mark(path, collection) for path in parts(catalog, spec.key)]
    return sorted(set(marks).difference(applied))


class Captions:
    """Looks captions of one captioner up by content. `renew` sees what was written meanwhile."""

    def __init__(self, catalog: Catalog, spec: CaptionerSpec) -> None:
        self.spec = spec
        self._catalog = catalog
        self._known: KnownContents | None = None
        self._read: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def renew(self) -> None:
        """Looks anew what there is, at the next question."""
        self._known = None

    def of(self, contents: Iterable[str], own: str | None = None) -> dict[str, str]:
        """Captions of those contents that have one. `own` is a unit whose part, if it is there, is
        looked into first.
        """
        wanted = set(contents)
        found = self._from(part_path(self.spec.key, own), wanted) if own else {}
        wanted -= found.keys()
        if wanted:
            if self._known is None:
                self._known = known(self._catalog, self.spec.key)
            places = {self._known.find(content) for content in wanted}
            for path in sorted(place for place in places if place):
                found |= self._from(path, wanted)
        return {content: caption for content, caption in found.items() if caption}

    def _from(self, path: str, wanted: Collection[str]) -> dict[str, str]:
        held = self._read.get(path)
        if held is None:
            try:
                held = read(self._catalog, path)
            except FileNotFoundError:  # merged since, or never written
                return {}
            self._read[path] = held
            while len(self._read) > _HELD:
                self._read.popitem(last=False)
        return {content: held[content] for content in wanted if content in held}
