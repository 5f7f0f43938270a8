"""`pdray compact`: keeping a workspace small and whole."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, print_json, stderr, table
from pdray.config import load
from pdray.ingest.run import index_target

if TYPE_CHECKING:
    from pdray.ingest.upkeep import Compacted


def run_compact(
    flags: dict[str, Any], collection: str | None, dry_run: bool, grace: float, as_json: bool
) -> None:
    """The command `compact`."""
    from pdray.ingest.upkeep import compact

    settings = load(flags)
    with stderr.status("Compacting") as shown:
        done = compact(
            settings,
            index_target(settings),
            collection,
            dry_run=dry_run,
            grace_seconds=grace,
            watch=lambda words: shown.update(f"Compacting: {words}"),
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


def _removed(done: "Compacted") -> Iterator[str]:
    would = "would be removed" if done.dry_run else "removed"
    kinds = {"embeddings": "embedding file", "packs": "thumbnail pack", "temporary": "scrap"}
    gone = [counted(done.removed[k], word) for k, word in kinds.items() if done.removed.get(k)]
    if gone:
        yield f"{', '.join(gone)} {would}: {size(done.removed['bytes'])}."
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
