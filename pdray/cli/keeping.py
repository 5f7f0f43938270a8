"""`pdray compact`: keeping a workspace small and whole."""

from dataclasses import asdict
from typing import Any

from rich.markup import escape

from pdray.cli.output import console, print_json, stderr, table
from pdray.config import load
from pdray.ingest.run import index_target


def run_compact(
    flags: dict[str, Any], collection: str | None, dry_run: bool, grace: float, as_json: bool
) -> None:
    """The command `compact`."""
    from pdray.ingest.upkeep import Compacted, compact

    settings = load(flags)
    with stderr.status("Compacting") as shown:
        done: Compacted = compact(
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
    would = "Would remove" if dry_run else "Removed"
    if done.removed:
        gone = done.removed
        console.print(
            f"{would} {gone['embeddings']} unused embedding files, {gone['packs']} thumbnail packs "
            f"and {gone['temporary']} unfinished files: {size(gone['bytes'])}; "
            f"{done.embeddings['merged']} embedding files become {done.embeddings['into']}."
        )
    if done.young:
        console.print(
            f"{done.young} shared files are younger than {grace:g} s: a later compaction judges "
            "them."
        )
    for note in done.notes:
        stderr.print(f"[yellow]Note:[/] {escape(note)}")


def size(count: int) -> str:
    """Bytes as a person says them."""
    amount, unit = float(count), "bytes"
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
