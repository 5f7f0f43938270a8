"""`pdray search`: one query for a person, or many for a program."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from pdray.catalog.catalog import Catalog
from pdray.cli.output import console, print_json, shown, stderr, table
from pdray.config import Settings, load
from pdray.errors import UsageError
from pdray.images.errors import ImageError
from pdray.images.examine import decode_pixels
from pdray.index.filters import Filter
from pdray.ingest.maintain import serving
from pdray.ingest.target import index_target
from pdray.records import Hit
from pdray.search.query import Answer, Query, Towers, search, search_many
from pdray.search.vocabulary import Vocabulary
from pdray.serve.reaching import reach

if TYPE_CHECKING:
    from pdray.models.encoder import DualEncoder

_MOST_VALUES = 1_000_000  # of a field, such as folders: all of them, short of a fault


def run_search(
    flags: dict[str, Any],
    text: str | None,
    image: Path | None,
    limit: int,
    sheet: Path | None,
    queries: Path | None,
    as_json: bool,
) -> None:
    """The command."""
    settings = load(flags)
    _check_sheet(sheet)
    if queries is not None:
        _check_alone(text, image, sheet, as_json)
        _answer_many(settings, queries, limit)
        return
    answer = answered(settings, [_query(text, image, limit)], sheet)[0]
    if as_json:
        print_json(answer.to_json())
    else:
        show(answer)


def answered(settings: Settings, wanted: list[Query], sheet: Path | None = None) -> list[Answer]:
    """Answers queries; draws the hits of the first where a sheet is asked for."""
    catalog = Catalog.open(settings.workspace)
    with towers(settings, catalog, wanted) as found:
        answers = (
            list(search_many(wanted, found)) if len(wanted) > 1 else [search(wanted[0], found)]
        )
    if sheet:
        draw(catalog, answers[0], sheet)
    return answers


@contextmanager
def towers(settings: Settings, catalog: Catalog, wanted: list[Query]) -> Iterator[Towers]:
    """The collection's index, and its encoder where these queries need one, for the block."""
    spec = serving(catalog, settings.collection).spec
    # The index first: where it can't be had, nobody should wait for a model.
    with reach(index_target(settings), spec.space, spec.dim) as index:

        @cache
        def encoder() -> "DualEncoder":
            from pdray.models.encoder import DualEncoder

            return DualEncoder(
                spec,
                device=settings.device,
                precision=settings.precision,
                towers="both" if any(query.image for query in wanted) else "text",
            )

        if any(query.needs_model for query in wanted):
            encoder()  # its loading is no query's time

        scope = Filter(collection=settings.collection)
        yield Towers(
            encode_texts=lambda texts: encoder().encode_texts(texts),
            encode_image=lambda data: _encode_image(encoder(), data),
            find=index.search_many,
            browse=lambda limit, where: index.browse(where, limit=limit),
            values=cache(lambda field: Vocabulary(index.facet(field, scope, limit=_MOST_VALUES))),
            scope=settings.collection,
            far=settings.qdrant.url is not None,
        )


def _encode_image(encoder: "DualEncoder", data: bytes) -> NDArray[np.float32]:
    try:
        pixels = decode_pixels(data, encoder.spec.preprocessing)
    except ImageError as error:
        raise UsageError(f"The image to look for can't be used: {error.reason}") from error
    vector: NDArray[np.float32] = encoder.encode_pixels(pixels[None])[0]
    return vector


def show(answer: Answer) -> None:
    """The hits for a person."""
    for note in answer.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}")
    if not answer.hits:
        console.print("Nothing found.")
        return
    told = any(hit.caption for hit in answer.hits)
    rows = table(">rank", ">score", "image", ">pixels", "date", *(["caption"] if told else []))
    for hit in answer.hits:
        size = f"{hit.width}×{hit.height}" if hit.width else ""
        taken = (hit.taken_at or "")[:10]
        score = f"{hit.score:.3f}" if hit.score else ""  # conditions alone have none
        words = [escape(hit.caption or "")] if told else []
        rows.add_row(str(hit.rank), score, escape(shown(hit.uri)), size, taken, *words)
    console.print(rows)
    took = answer.took_ms
    console.print(f"[dim]encode {took['encode']:.0f} ms, index {took['index']:.1f} ms[/]")


def draw(catalog: Catalog, answer: Answer, target: Path) -> None:
    """The contact sheet of an answer as a picture file."""
    from pdray.search.sheet import contact_sheet

    def thumbnail(hit: Hit) -> bytes | None:
        try:
            return catalog.thumbnail(hit.thumbnail) if hit.thumbnail else None
        except OSError:
            return None  # a grey tile says it better than no sheet

    picture = contact_sheet(answer.hits, thumbnail, answer.query.words or "by image")
    try:
        picture.save(target)
    except ValueError as error:
        raise UsageError(
            f"The sheet {target} can't be drawn: give a name that ends with .png or .jpg."
        ) from error


def _check_sheet(target: Path | None) -> None:
    """Before the search, so that nobody waits for an answer that can't be shown."""
    if target is not None and not target.parent.is_dir():
        raise UsageError(f"The sheet {target} can't be drawn: its folder does not exist; make it.")


def _query(text: str | None, image: Path | None, limit: int) -> Query:
    if not image:
        return Query(text, None, limit)
    try:
        return Query(text, image.read_bytes(), limit)
    except OSError as error:
        raise UsageError(f"The image {image} can't be read: {error.strerror}.") from error


def _check_alone(text: str | None, image: Path | None, sheet: Path | None, as_json: bool) -> None:
    if text or image or sheet:
        raise UsageError(
            "--queries goes without TEXT, --image and --sheet: they come in its lines."
        )
    if not as_json:
        raise UsageError("--queries answers in JSON lines: add --json.")


def _answer_many(settings: Settings, path: Path, limit: int) -> None:
    wanted = list(_read(path, limit))
    if wanted:
        for answer in answered(settings, wanted):
            print(json.dumps(answer.to_json(), ensure_ascii=False))


def _read(path: Path, limit: int) -> Iterator[Query]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"The queries {path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The queries {path} are no text: write JSON lines in UTF-8.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            text, image = document.get("text"), document.get("image")
            yield _query(text, Path(image) if image else None, int(document.get("limit", limit)))
        except UsageError as error:
            raise UsageError(f"Line {number} of {path}: {error}") from error
        except (ValueError, AttributeError, TypeError) as error:
            raise UsageError(
                f'Line {number} of {path} is no query: write {{"text": "..."}}, with "image" and '
                '"limit" if you like.'
            ) from error
