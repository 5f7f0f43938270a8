"""The catalog of one workspace: row parts, embedding parts and thumbnail packs, each written once.

    format.json                                    the format version
    collections/<collection>/rows/<unit>.parquet   row parts; creating one is the commit
    collections/<collection>/rows/merged-*.parquet what compaction made of many (catalog/merging.py)
    collections/<collection>/pointer/<n>.json      which embedding space serves (catalog/pointer.py)
    embeddings/<space>/<unit>-<attempt>.parquet    content_id -> vector, shared by all collections
    captions/<captioner>/<unit>.parquet            content_id -> caption (catalog/captions.py)
    thumbs/<unit[:2]>/<unit>-<attempt>.pack        thumbnails one after the other
    runs/<run_id>/                                 records of runs (catalog/runs.py)
    leases/<collection>/                           who indexes now (catalog/lease.py)
    floors/<collection>/<n>                        what is seen for the first time gets seq n + 1

An embedding part is a fact about contents, true whichever row needs it: a complete one is used for
reuse even when the attempt that wrote it died before its commit. What a row needs is named by its
own part's metadata, so that reading a part's vectors never searches.
"""

import contextlib
import io
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pdray.catalog import schema
from pdray.catalog.store import Store, open_store
from pdray.errors import CatalogError
from pdray.records import ImageRecord, ModelSpec, Thumbnail

MERGED = "merged-"  # names of parts that compaction made begin so
_FORMAT_FILE = "format.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A committed row part as it was read."""

    path: str
    collection: str
    records: list[ImageRecord]
    embeddings: dict[str, list[str]]  # space -> the embedding parts that hold its vectors


class Catalog:
    """Reads and writes a workspace; cheap to open, holds no file open, pickles as its URL."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def open(cls, url: str, *, create: bool = False, absent: bool = False) -> "Catalog":
        """Opens a workspace. Raises CatalogError where there is none or it is of a newer format.

        `create` makes one where there is none; `absent` takes none for an empty one, and writes
        nothing.
        """
        catalog = cls(open_store(url))
        try:
            catalog._check_format(create, absent)
        except OSError as error:
            raise CatalogError(
                f"The workspace {catalog.store.url} can't be opened: {error.strerror or error}. "
                "Check its place and its permissions, or name another with --workspace."
            ) from error
        return catalog

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.store.url,)

    def _check_format(self, create: bool, absent: bool) -> None:
        fresh = json.dumps({"format": schema.FORMAT}).encode()
        try:
            found = json.loads(self.store.read(_FORMAT_FILE))
        except (FileNotFoundError, NotADirectoryError):
            if absent:
                return
            if not create:
                raise CatalogError(
                    f"There is no workspace at {self.store.url}. Make one with "
                    "`pdray index FOLDER`, or name another with --workspace."
                ) from None
            try:
                self.store.create(_FORMAT_FILE, fresh)
            except (FileExistsError, NotADirectoryError) as error:
                raise CatalogError(
                    f"The workspace {self.store.url} is a file, not a folder. "
                    "Name a folder with --workspace."
                ) from error
            return
        except (ValueError, IsADirectoryError) as error:
            raise CatalogError(
                f"{self.store.url}/{_FORMAT_FILE} is not pdray's. Name another workspace."
            ) from error
        written = found.get("format") if isinstance(found, dict) else None
        if not isinstance(written, int):
            raise CatalogError(
                f"{self.store.url}/{_FORMAT_FILE} is not pdray's. Name another workspace."
            )
        if written < schema.FORMAT and create:
            self.store.replace(_FORMAT_FILE, fresh)
        if written > schema.FORMAT:
            raise CatalogError(
                f"The workspace {self.store.url} has format {written}, this pdray reads up to "
                f"{schema.FORMAT}. Install a newer pdray."
            )

    # --- reading

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        return [path.rsplit("/", 1)[-1] for path in self.store.list("collections")]

    def parts(self, collection: str) -> list[str]:
        """Paths of the committed row parts, sorted."""
        return self.store.list(f"collections/{collection}/rows", ".parquet")

    def settled_parts(self, collection: str) -> list[str]:
        """The row parts without those that a merged one among them stands for: a compaction that
        goes on removes none of these. Reads the footers of merged parts.
        """
        parts = self.parts(collection)
        gone: set[str] = set()
        for path in parts:
            if path.rsplit("/", 1)[-1].startswith(MERGED):
                with contextlib.suppress(FileNotFoundError):
                    names = self.document(path).get("replaces", {})
                    gone.update(self.part_path(collection, name) for name in names)
        return [path for path in parts if path not in gone]

    def embedding_parts(self, space: str) -> list[str]:
        """Paths of the complete embedding parts of a space, sorted."""
        return self.store.list(f"embeddings/{space}", ".parquet")

    def document(self, path: str) -> dict[str, Any]:
        """What the metadata of a part says, from its footer alone. Raises FileNotFoundError."""
        filesystem, prefix = self.store.filesystem()
        return schema.document(pq.read_schema(prefix + path, filesystem=filesystem))

    def floor(self, collection: str) -> int:
        """The highest sequence number that a forgotten row had, 0 for none. Above it, no unit gets
        the name of one that an index may hold for applied.
        """
        found = self.store.list(f"floors/{collection}")
        return int(found[-1].rsplit("/", 1)[-1]) if found else 0

    def raise_floor(self, collection: str, seq: int) -> None:
        """Makes sure that the floor is at least this."""
        if self.floor(collection) < seq:
            self.store.create(f"floors/{collection}/{seq:08d}", b"")

    def read_part(self, path: str) -> Part:
        """A row part, whole. Raises FileNotFoundError."""
        table = self._table(path)
        document = schema.document(table.schema)
        return Part(
            path,
            document["collection"],
            list(schema.records(table)),
            document["embeddings"],
        )

    def vectors(self, paths: Iterable[str]) -> tuple[list[str], NDArray[np.float32]]:
        """(content ids, vectors (n, dim)) of embedding parts, first part first. n may be 0."""
        contents: list[str] = []
        found: list[NDArray[np.float32]] = []
        for path in paths:
            table = self._table(path)
            if table.num_rows:
                contents += [value.hex() for value in table["content_id"].to_pylist()]
                found.append(schema.vectors(table["vector"]))
        return contents, np.concatenate(found) if found else np.zeros((0, 0), np.float32)

    def _table(self, path: str) -> pa.Table:
        # On this thread: for the few hundred rows of a unit, handing work to others takes longer.
        file = pq.ParquetFile(pa.BufferReader(self.store.read(path)), pre_buffer=False)
        return file.read(use_threads=False)

    def thumbnail(self, where: Thumbnail) -> bytes:
        """The bytes of a thumbnail, in one ranged read."""
        return self.store.read(where.pack, where.offset, where.length)

    def require(self, paths: Iterable[str]) -> None:
        """Raises CatalogError where one of these files is gone, as after a sweep."""
        for path in paths:
            try:
                self.store.read(path, 0, 1)
            except FileNotFoundError as error:
                raise CatalogError(
                    f"{path} was removed before its unit was committed: this process stood still "
                    "while a compaction took it for dead. Run `pdray index` again."
                ) from error

    # --- writing

    def write_thumbnails(
        self, unit_id: str, attempt: str, images: Sequence[bytes]
    ) -> list[Thumbnail]:
        """Packs thumbnails into one file; returns where each lies. No file for none."""
        if not images:
            return []
        path = f"thumbs/{unit_id[:2]}/{unit_id}-{attempt}.pack"
        places, offset = [], 0
        for data in images:
            places.append(Thumbnail(path, offset, len(data)))
            offset += len(data)
        self.create(path, b"".join(images))
        return places

    def write_embeddings(
        self,
        unit_id: str,
        attempt: str,
        spec: ModelSpec,
        contents: list[str],
        vectors: NDArray[np.float32],
    ) -> str:
        """Writes an embedding part; contents are distinct ids, vectors (n, dim). Gives its path."""
        path = f"embeddings/{spec.space}/{unit_id}-{attempt}.parquet"
        table = schema.embeddings_table(contents, vectors, spec)
        self.create(path, _parquet(table, compression="none"))
        return path

    def commit(
        self,
        collection: str,
        unit_id: str,
        records: Sequence[ImageRecord],
        embeddings: dict[str, list[str]],
        own: Iterable[str] = (),
    ) -> bool:
        """Creates the row part of a unit: the commit point. Idempotent by unit.

        A uri may have several rows here; the one with the highest `seq` counts. `embeddings` names,
        by space, the parts that hold the rows' vectors. `own` are the files that only this
        attempt's rows name: False where another attempt came first, and then they are removed.
        Embedding parts are never among them, because any other unit may have come to name one.
        """
        document = {
            "format": schema.FORMAT,
            "collection": collection,
            "unit": unit_id,
            "embeddings": embeddings,
        }
        path = self.part_path(collection, unit_id)
        data = _parquet(schema.rows_table(records, document))
        # A client that lost the answer to its write tries again and finds its own file there.
        if self.create(path, data) or self.store.read(path) == data:
            return True
        for mine in own:
            with contextlib.suppress(OSError):  # an orphan is harmless, and compaction removes it
                self.store.delete(mine)
        return False

    def write_merged(
        self,
        path: str,
        table: pa.Table,
        embeddings: dict[str, list[str]],
        replaces: dict[str, Any],
    ) -> None:
        """Writes a row part that stands for others: table of schema ROWS, what it names, and the
        names of those others, each with those that it stood for itself.
        """
        document = {
            "format": schema.FORMAT,
            "collection": path.split("/")[1],
            "unit": path.rsplit("/", 1)[-1].removesuffix(".parquet"),
            "embeddings": embeddings,
            "replaces": replaces,
        }
        text = json.dumps(document, sort_keys=True).encode()
        self.store.create(path, _parquet(table.replace_schema_metadata({schema.META: text})))

    def write_merged_contents(self, family: str, table: pa.Table) -> str:
        """Writes a part made of others of a family (the folder they are in: embeddings of a space,
        captions of a captioner), with the metadata of one. Gives its path.
        """
        path = f"{family}/{MERGED}{new_attempt()}.parquet"
        self.create(path, _parquet(table, compression="none"))
        return path

    def embedding_table(self, path: str) -> pa.Table:
        """An embedding part as it is stored: content_id, vector. Raises FileNotFoundError."""
        return self._table(path)

    def create(self, path: str, data: bytes) -> bool:
        """As the store's; raises CatalogError where the workspace takes no more."""
        try:
            return self.store.create(path, data)
        except OSError as error:
            raise _unwritable(self.store.url, error) from error

    @staticmethod
    def part_path(collection: str, unit_id: str) -> str:
        """Path of a unit's row part."""
        return f"collections/{collection}/rows/{unit_id}.parquet"


def _unwritable(url: str, error: OSError) -> CatalogError:
    return CatalogError(
        f"The workspace {url} can't be written ({error.strerror or error}): make room "
        "or mend its permissions, then run again. What is committed stays."
    )


def new_attempt() -> str:
    """A name for one attempt at a unit."""
    return uuid.uuid4().hex[:12]


def _reopen(url: str) -> Catalog:
    return Catalog(open_store(url))


def _parquet(table: pa.Table, compression: str = "zstd") -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression=compression)
    return sink.getvalue()
