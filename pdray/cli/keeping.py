"""`pdray compact`, `forget`, `backup` and `restore`: keeping a workspace small and whole."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from pdray.cli.correcting import PEOPLE, brought_back, written
from pdray.cli.output import console, print_json, shown, stderr, table
from pdray.config import load
from pdray.errors import UsageError
from pdray.ingest.target import index_target

if TYPE_CHECKING:
    from pdray.catalog.copying import Copied
    from pdray.ingest.forgetting import Forgotten
    from pdray.ingest.upkeep import Compacted


def run_compact(
    flags: dict[str, Any], collection: str | None, dry_run: bool, grace: float, as_json: bool
) -> None:
    """The command `compact`."""
    from pdray.ingest.upkeep import compact

    settings = load(flags)
    with stderr.status("Compacting") as state:
        done = compact(
            settings,
            index_target(settings),
            collection,
            dry_run=dry_run,
            grace_seconds=grace,
            watch=lambda words: state.update(f"Compacting: {words}"),
        )
    if as_json:
        print_json(asdict(done))
        return
    rows = table("collection", ">parts", ">then", ">rows", ">then")
    for name, found in done.collections.items():
        rows.add_row(name, *(str(number) for number in found.values()))
    console.print(rows)
    for line in _removed(done):
        console.print(line)
    if done.young:
        console.print(
            f"{counted(done.young, 'shared file')} of the last {grace:g} s: a later compaction "
            "judges what is so new."
        )
    for note in done.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}")


def run_forget(
    flags: dict[str, Any], what: str | None, collection: str | None, yes: bool, as_json: bool
) -> None:
    """The command `forget`."""
    from pdray.catalog.catalog import Catalog
    from pdray.ingest.forgetting import find, forget

    if what is None and collection is None:
        raise UsageError("Say what to forget: an image, a source, or --collection C for all of it.")
    settings = load({**flags, "collection": collection})
    uri = None if what is None else _canonical(what)
    found = find(Catalog.open(settings.workspace), settings.collection, uri)
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise UsageError(f"{_forecast(found)} To do it without being asked, add --yes.")
        stderr.print(escape(_forecast(found)))
        if not typer.confirm("Forget it for good?", err=True):
            raise typer.Exit(1)
    with stderr.status("Forgetting") as state:
        done = forget(
            settings,
            index_target(settings),
            settings.collection,
            uri,
            watch=lambda words: state.update(f"Forgetting: {words}"),
        )
    if as_json:
        print_json(
            {
                "collection": done.collection,
                "what": done.what,
                "images": done.images,
                "failed": done.failed,
                "thumbnail_bytes": done.thumbnail_bytes,
                "vectors": done.vectors,
                "note": done.note,
            }
        )
        return
    console.print(f"Forgotten: {_amount(done)}.")
    if done.note:
        stderr.print(f"[yellow]Note:[/] {escape(done.note)}")


def run_backup(flags: dict[str, Any], dest: str, as_json: bool) -> None:
    """The command `backup`."""
    from pdray.catalog.catalog import Catalog
    from pdray.catalog.copying import backup

    settings = load(flags)
    catalog = Catalog.open(settings.workspace)
    beside = {PEOPLE: written(settings)}
    with stderr.status("Copying") as state:

        def told(n: int, of: int) -> None:
            state.update(f"Copying: {n} of {of} files")

        done = backup(catalog, dest, told, beside)
    _tell_copied(done, f"The backup at {dest}", as_json)


def run_restore(flags: dict[str, Any], source: str, as_json: bool) -> None:
    """The command `restore`."""
    from pdray.catalog.copying import restore

    settings = load(flags)
    workspace = settings.workspace
    with stderr.status("Copying") as state:

        def told(n: int, of: int) -> None:
            state.update(f"Copying: {n} of {of} files")

        done = restore(source, workspace, told, partial(brought_back, settings))
    _tell_copied(done, f"The workspace {workspace}", as_json)
    if not as_json:
        console.print("Now [bold]pdray rebuild[/] makes its index.")


def _tell_copied(done: "Copied", what: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(done))
    else:
        gone = f", {done.removed} removed" if done.removed else ""
        console.print(
            f"{escape(what)} is whole: {counted(done.files, 'file')}, {size(done.bytes)}; "
            f"{done.new} copied now{gone}."
        )


def _canonical(what: str) -> str:
    from pdray.sources.uri import from_path

    uri = what if "://" in what else from_path(str(Path(what).expanduser().absolute()))
    return uri.rstrip("/")


def _forecast(found: "Forgotten") -> str:
    where = "All of" if found.what is None else f"{shown(found.what)} in"
    back = "" if found.what is None else " What is still in its source comes back when indexed."
    return f"{where} collection {found.collection!r} would be forgotten: {_amount(found)}.{back}"


def _amount(found: "Forgotten") -> str:
    return (
        f"{counted(found.images, 'image')}, {counted(found.failed, 'failed file')}, "
        f"{size(found.thumbnail_bytes)} of thumbnails and "
        f"{counted(found.vectors, 'vector')} that no other image shares"
    )


def _removed(done: "Compacted") -> Iterator[str]:
    would = "would be removed" if done.dry_run else "removed"
    kinds = {"embeddings": "embedding file", "packs": "thumbnail pack", "temporary": "scrap"}
    gone = [counted(done.removed[k], word) for k, word in kinds.items() if done.removed.get(k)]
    if gone:
        yield f"{', '.join(gone)} {would}: {size(done.removed['bytes'])}."
    if done.repacked:
        would = "would move" if done.dry_run else "moved"
        yield f"{counted(done.repacked, 'thumbnail')} {would} out of packs that are mostly dead."
    if done.embeddings.get("into"):
        become = "would become" if done.dry_run else "became"
        merged, into = done.embeddings["merged"], done.embeddings["into"]
        yield f"{counted(merged, 'embedding file')} {become} {into}."


def counted(number: int, word: str) -> str:
    """A number and what it counts."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def size(count: int) -> str:
    """Bytes as a person says them."""
    amount, unit = float(count), "bytes"
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
