"""Images in a Parquet file: bytes or URLs in a column; listed by its footer, read by row group."""

import datetime
import decimal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pdray.records import ImageRef
from pdray.sources import sidecar
from pdray.sources.chain import first_line
from pdray.sources.columns import Columns, Layout, layout
from pdray.sources.failure import Damaged
from pdray.sources.members import Inside
from pdray.sources.protocol import Content
from pdray.sources.uri import quote_path

_BATCH = 16  # rows in memory at a time, and URLs asked for together

# The files of these URLs, or why they can't be read; in order.
ReadUrls = Callable[[Sequence[str]], Sequence[bytes | OSError]]


class Place(NamedTuple):
    """Where a row is. As text: `2+17`."""

    group: int
    row: int  # within the row group

    def __str__(self) -> str:
        return f"{self.group}+{self.row}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The inverse of str."""
        group, _, row = text.partition("+")
        return cls(int(group), int(row))


def listed(
    shard: ImageRef, file: BinaryIO, takes: Callable[[str], bool], columns: Columns
) -> Inside:
    """The rows of a Parquet file as images. Only its footer is read, and the key column if asked.

    The size is the mean of the row group: what one image takes shows only when it is read.
    """
    try:
        parquet = pq.ParquetFile(file)
        plan = layout(parquet.schema_arrow, columns)
        refs = list(_rows(shard, parquet, plan))
    except (pa.ArrowException, OSError) as error:
        return Inside([], 0, _fault(error))
    taken = [ref for ref, name in refs if takes(name)]
    return Inside(taken, len(refs) - len(taken), None)


def fetched(
    file: BinaryIO, refs: Sequence[ImageRef], columns: Columns, read_urls: ReadUrls
) -> Iterator[Content | OSError]:
    """The contents of these rows, in their order; each row group is read once.

    Rows in the order of the file are streamed. Names by a key column may have any order: then all
    wanted rows are held.
    """
    places = [Place.parse(ref.place) for ref in refs]
    order = sorted(range(len(places)), key=lambda at: places[at])
    found = _in_order(file, [places[at] for at in order], columns, read_urls)
    if order == list(range(len(places))):
        yield from found
        return
    held = dict(zip(order, found, strict=True))
    yield from (held[at] for at in range(len(places)))


def _in_order(
    file: BinaryIO, places: Sequence[Place], columns: Columns, read_urls: ReadUrls
) -> Iterator[Content | OSError]:
    wanted: dict[int, list[int]] = defaultdict(list)
    for place in places:
        wanted[place.group].append(place.row)
    done = 0
    try:
        parquet = pq.ParquetFile(file, buffer_size=2**20, pre_buffer=False)
        plan = layout(parquet.schema_arrow, columns)
        for group, rows in wanted.items():
            for some in _values(parquet, plan, group, rows):
                for content in _contents(plan, some, read_urls):
                    yield content
                    done += 1
    except (pa.ArrowException, OSError) as error:
        yield from [_fault(error)] * (len(places) - done)


def _rows(shard: ImageRef, parquet: pq.ParquetFile, plan: Layout) -> Iterator[tuple[ImageRef, str]]:
    at = 0
    used: set[str] = set()
    for group in range(parquet.num_row_groups):
        total = parquet.metadata.row_group(group).num_rows
        size = _mean_size(parquet.metadata.row_group(group), plan)
        keys = [None] * total
        if plan.key:
            keys = parquet.read_row_group(group, columns=[plan.key]).column(0).to_pylist()
        for row in range(total):
            name = f"{at:09d}"
            if keys[row] is not None:
                name = str(keys[row]).strip("/") or name
                name = f"{name}~{at:09d}" if name in used else name
                used.add(name)
            uri = f"{shard.uri}!/{quote_path(name)}"
            yield ImageRef(uri, size, f"{shard.version}:{at}", str(Place(group, row))), name
            at += 1


def _mean_size(group: pq.RowGroupMetaData, plan: Layout) -> int:
    if plan.form == "url" or not group.num_rows:
        return 0
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == plan.bytes_path:
            return int(column.total_uncompressed_size // group.num_rows)
    return 0


def _values(
    parquet: pq.ParquetFile, plan: Layout, group: int, rows: Sequence[int]
) -> Iterator[list[dict[str, Any]]]:
    """The wanted rows of one group, in order, a few at a time."""
    batches = parquet.iter_batches(_BATCH, row_groups=[group], columns=plan.read)
    wanted = iter(rows)
    row = next(wanted, None)
    start = 0
    for batch in batches:
        some = []
        while row is not None and row < start + batch.num_rows:
            some += batch.slice(row - start, 1).to_pylist()
            row = next(wanted, None)
        start += batch.num_rows
        if some:
            yield some
        if row is None:
            return
    if row is not None:
        raise Damaged("It has fewer rows than when it was listed.")


def _contents(
    plan: Layout, rows: Sequence[dict[str, Any]], read_urls: ReadUrls
) -> Iterator[Content | OSError]:
    values = [row.pop(plan.image) for row in rows]
    images, facts = _apart(plan, values)
    remote = iter(read_urls([url for url in images if isinstance(url, str)]))
    for row, image, more in zip(rows, images, facts, strict=True):
        data = next(remote) if isinstance(image, str) else image
        if data is None:
            yield Damaged("The row holds no image.")
        elif isinstance(data, OSError):
            yield data
        else:
            yield Content(data, *_said(plan, row, more))


def _apart(
    plan: Layout, values: Sequence[Any]
) -> tuple[list[bytes | str | None], list[dict[str, str]]]:
    """(bytes or URL of each value, what else the value says)."""
    if plan.form == "bytes":
        return list(values), [{}] * len(values)
    if plan.form == "url":
        return [value or None for value in values], [{"url": value} for value in values]
    images: list[bytes | str | None] = []
    facts: list[dict[str, str]] = []
    for value in values:
        path = (value or {}).get("path")
        images.append((value or {}).get("bytes") or path or None)
        facts.append({"path": path} if path else {})
    return images, facts


def _said(plan: Layout, row: dict[str, Any], more: dict[str, str]) -> tuple[str | None, str | None]:
    facts = {name: _plain(value) for name, value in row.items()}
    caption = facts.pop(plan.caption, None) if plan.caption else None
    return sidecar.said({**more, **facts}, caption)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return float(value) if isinstance(value, decimal.Decimal) else value


def _fault(error: Exception) -> OSError:
    if isinstance(error, pa.ArrowException) and not isinstance(error, OSError):
        return Damaged(f"It is no Parquet file, or it is damaged: {first_line(error)}.")
    return error if isinstance(error, OSError) else OSError(str(error))
