"""`pdray status`, `errors`, `doctor`: looking, without changing anything."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, duration, print_json, shown, stderr, table
from pdray.config import Settings, load
from pdray.errors import PdrayError
from pdray.ingest.target import index_target

if TYPE_CHECKING:
    from pdray.ingest.failures import Group

_EXAMPLES = 3
_FEW = 20  # up to so many failures a person sees them all


def run_status(flags: dict[str, Any], as_json: bool) -> None:
    """The command `status`."""
    from pdray.ingest.maintain import status
    from pdray.serve.reaching import reach

    settings = load(flags)
    found = status(settings, index_target(settings), reach)
    if as_json:
        print_json(found)
        return
    console.print(f"Workspace [bold]{escape(found['workspace'])}[/]")
    if not found["collections"]:
        console.print("Nothing is indexed yet: [bold]pdray index FOLDER[/]")
        return
    rows = table("collection", "model", ">images", ">searchable", ">pending", ">failed", "last run")
    for one in found["collections"]:
        unknown = "?" if one["note"] else "0"
        rows.add_row(
            one["name"],
            escape(one["model"] or ""),
            str(one["committed"]),
            unknown if one["points"] is None else str(one["points"]),
            unknown if one["pending"] is None else str(one["pending"]),
            str(one["failed"]),
            _last_run(one["last_run"]),
        )
    console.print(rows)
    for one in found["collections"]:
        if one["note"]:
            stderr.print(f"[yellow]Note:[/] {escape(one['note'])}")
        elif one["pending"]:
            console.print(
                f"{one['pending']} images of {one['name']} are committed but not searchable yet: "
                "the next [bold]pdray index[/] or [bold]pdray rebuild[/] brings them in."
            )


def _last_run(run: dict[str, Any] | None) -> str:
    if run is None:
        return ""
    at = f"{run['started_at'][:16].replace('T', ' ')} UTC"
    if run["report"] is None:
        return f"{at} (running, or stopped short)"
    report = run["report"]
    return f"{at}, {report['read']} read in {duration(report['seconds'])}"


def run_errors(flags: dict[str, Any], as_json: bool) -> None:
    """The command `errors`."""
    from pdray.ingest.failures import grouped
    from pdray.ingest.maintain import failures

    settings = load(flags)
    found = [row.failure for row in failures(settings) if row.failure]
    few = len(found) <= _FEW and not as_json
    groups = grouped(found, _FEW if few else _EXAMPLES)
    if as_json:
        kinds: dict[str, int] = {}
        for group in groups:
            kinds[group.kind] = kinds.get(group.kind, 0) + group.images
        document = {
            "collection": settings.collection,
            "failed": len(found),
            "kinds": kinds,
            "groups": [_group(group) for group in groups],
            "failures": [asdict(failure) for failure in found],
        }
        print_json(document)
        return
    if not found:
        console.print("Nothing failed.")
        return
    _show_groups(groups)
    _say_what_is_tried(groups, len(found))


def _group(group: "Group") -> dict[str, Any]:
    return {**asdict(group), "examples": [failure.uri for failure in group.examples]}


def _show_groups(groups: "list[Group]") -> None:
    rows = table("stage", "kind", ">images", "for example", "why")
    for group in groups:
        head = (group.stage, group.kind, str(group.images))
        for failure in group.examples:
            rows.add_row(*head, escape(shown(failure.uri)), escape(failure.reason))
            head = ("", "", "")
    console.print(rows)


def _say_what_is_tried(groups: "list[Group]", failed: int) -> None:
    waiting = sum(group.images for group in groups if not group.every_run)
    shown_ = sum(len(group.examples) for group in groups)
    console.print(f"{failed} failed.", end="")
    if failed > waiting:
        console.print(f" {failed - waiting} are tried again by every run of pdray index.", end="")
    if waiting:
        console.print(
            f" {waiting} are tried again when the file changes, or by "
            "[bold]pdray index --retry-failed[/].",
            end="",
        )
    console.print(" Every one is listed by --json." if shown_ < failed else "")


def _collection_model(settings: Settings) -> str | None:
    """The model that the collection was indexed with, if it was."""
    from pdray.catalog import pointer
    from pdray.catalog.catalog import Catalog

    try:
        found = pointer.current(Catalog.open(settings.workspace), settings.collection)
    except PdrayError:
        return None
    return found.spec.name if found else None


def run_doctor(flags: dict[str, Any], as_json: bool) -> None:
    """The command `doctor`."""
    from pdray.cli import doctor

    settings = load(flags)
    found = doctor.examine(settings, collection_model=_collection_model(settings))
    if as_json:
        print_json(found)
    else:
        console.print(doctor.describe(found))
