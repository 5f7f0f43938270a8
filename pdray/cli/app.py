"""The commands and their options. `--help` must answer at once: nothing heavy is imported here."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pdray import log
from pdray.errors import PdrayError, UsageError

app = typer.Typer(
    name="pdray",
    help="Make any pile of images searchable: by words, by example, by metadata.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
models = typer.Typer(help="Make models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(models, name="models")
runs = typer.Typer(help="Runs: what they did, how far they are; pause, resume, cancel.")
app.add_typer(runs, name="runs", invoke_without_command=True)

Workspace = Annotated[
    str | None,
    typer.Option("--workspace", "-w", metavar="W", help="Folder or URL that holds everything."),
]
Collection = Annotated[
    str | None, typer.Option("--collection", "-c", metavar="C", help="Which collection.")
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file (pdray.toml).")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")
]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="M", help="builtin, a local folder or a hub name."),
]


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; works anywhere.")
    ] = False,
) -> None:
    """Make any pile of images searchable: by words, by example, by metadata."""


@app.command()
def index(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Folders, images, shards, globs or URLs."),
    ],
    workspace: Workspace = None,
    collection: Collection = None,
    model: Model = None,
    config: Config = None,
    full: Annotated[bool, typer.Option("--full", help="Read every image again.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Read again what could not be indexed before.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Delete even if very many vanished.")
    ] = False,
    include: Annotated[
        list[str] | None,
        typer.Option("--include", metavar="GLOB", help="Only these; may be said again."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Not these; may be said again."),
    ] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on: index what changes until Ctrl-C. JSON: a line a run."),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option("--every", metavar="SECONDS", help="With --watch: look again so often."),
    ] = None,
    as_json: AsJson = False,
    run_id: Annotated[str | None, typer.Option("--run-id", hidden=True)] = None,
) -> None:
    """Index what is new or changed. Run it again whenever you like."""
    flags = {"workspace": workspace, "collection": collection, "model": model, "config": config}
    asked = {
        "full": full,
        "retry_failed": retry_failed,
        "dry_run": dry_run,
        "allow_deletes": allow_deletes,
        "include": tuple(include or ()),
        "exclude": tuple(exclude or ()),
        "run_id": run_id,
    }
    if watch:
        from pdray.cli.watching import run_watch

        run_watch({**flags, "ingest_watch_seconds": every}, sources, asked, as_json)
        return
    if every is not None:
        raise UsageError("--every says how often to look again: add --watch.")
    from pdray.cli.indexing import run_index

    run_index(flags, sources, asked, as_json)


@app.command()
def search(
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help='Words and conditions: "beach iso:>=800 -people".'),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="PATH", help="An image to look for.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="Hits.")] = 10,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE.png", help="Draw the hits there.")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option("--queries", metavar="FILE.jsonl", help='Many: {"text": ...} a line.'),
    ] = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Search by words, by an image, or by both (then both count)."""
    from pdray.cli.searching import run_search

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_search(flags, text, image, limit, sheet, queries, as_json)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option("--host", metavar="H", help="Address to answer at.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="P", help="Port to answer at.")
    ] = None,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Answer over HTTP, with a page to look at: http://127.0.0.1:8000."""
    from pdray.cli.serving import run_serve

    flags = {"workspace": workspace, "collection": collection, "config": config}
    run_serve({**flags, "serve_host": host, "serve_port": port}, as_json)


@app.command()
def status(workspace: Workspace = None, config: Config = None, as_json: AsJson = False) -> None:
    """What is in the catalog and in the index, and what the last run did."""
    from pdray.cli.looking import run_status

    run_status({"workspace": workspace, "config": config}, as_json)


@app.command()
def errors(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What could not be indexed and why, put together by kind."""
    from pdray.cli.looking import run_errors

    run_errors({"workspace": workspace, "collection": collection, "config": config}, as_json)


@app.command()
def verify(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Prove that index and catalog hold the same images; exit 1 where not."""
    from pdray.cli.looking import run_verify

    run_verify({"workspace": workspace, "collection": collection, "config": config}, as_json)


@app.command()
def rebuild(
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make the index anew from the catalog. No model and no GPU needed."""
    from pdray.cli.looking import run_rebuild

    run_rebuild({"workspace": workspace, "collection": collection, "config": config}, as_json)


@app.command()
def compact(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    grace: Annotated[
        float,
        typer.Option("--grace", metavar="SECONDS", min=0, help="Leave younger shared files alone."),
    ] = 60.0,
    workspace: Workspace = None,
    collection: Collection = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Merge small files into large ones and remove what nothing uses any more."""
    from pdray.cli.keeping import run_compact

    flags = {"workspace": workspace, "config": config}
    run_compact(flags, collection, dry_run, grace, as_json)


@app.command()
def forget(
    what: Annotated[
        str | None,
        typer.Argument(metavar="URI|SOURCE", help="An image, or what all of it lies under."),
    ] = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", metavar="C", help="Where; alone, all of it."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Remove an image, a source or a collection for good: rows, vectors, thumbnails, points."""
    from pdray.cli.keeping import run_forget

    run_forget({"workspace": workspace, "config": config}, what, collection, yes, as_json)


@app.command()
def backup(
    dest: Annotated[str, typer.Argument(metavar="DEST", help="Folder or URL of the copy.")],
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Copy the workspace, or bring its copy up to date. Runs may go on meanwhile."""
    from pdray.cli.keeping import run_backup

    run_backup({"workspace": workspace, "config": config}, dest, as_json)


@app.command()
def restore(
    source: Annotated[str, typer.Argument(metavar="SRC", help="What `backup` wrote to.")],
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a workspace from a backup. `pdray rebuild` then makes its index."""
    from pdray.cli.keeping import run_restore

    run_restore({"workspace": workspace, "config": config}, source, as_json)


@app.command()
def samples(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write to.")],
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, help="Scenes.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Other seed, other scenes.")] = 0,
    min_side: Annotated[int, typer.Option("--min-side", help="Pixels, at least 16.")] = 300,
    max_side: Annotated[int, typer.Option("--max-side", help="Pixels.")] = 1600,
    as_json: AsJson = False,
) -> None:
    """Write the synthetic collection: scenes with captions and EXIF."""
    from pdray.cli.making import run_samples

    run_samples(out, count, seed, (min_side, max_side), as_json)


@app.command()
def doctor(
    workspace: Workspace = None, model: Model = None, config: Config = None, as_json: AsJson = False
) -> None:
    """This machine in words, and what would run on it and why."""
    from pdray.cli.looking import run_doctor

    run_doctor({"workspace": workspace, "model": model, "config": config}, as_json)


@app.command()
def demo(
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Your own images.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the searches, without the page.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to put it.")] = Path(
        "demo"
    ),
    count: Annotated[int, typer.Option("--count", min=10, help="Scenes of the sample.")] = 1000,
) -> None:
    """Make a sample collection (or take your images), index it, search it, look at it."""
    from pdray.cli.demo import run_demo

    run_demo(images, out, count, once)


@app.command()
def benchmark(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to work.")] = Path(
        "benchmark"
    ),
    parts: Annotated[
        str,
        typer.Option(
            "--parts",
            help="Any of builtin, vit, loop, loop12, plan, plan-compacted, serve, by commas.",
        ),
    ] = "builtin,vit,loop,loop12,plan",
    scale: Annotated[
        float, typer.Option("--scale", min=0.001, help="Of the numbers of images.")
    ] = 1.0,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Keep the figures, as JSON."),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare", metavar="A.json B.json", help="Measure nothing: compare two kept files."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure ingestion against what this machine's cores allow, and planning at scale."""
    from pdray.cli.benchmark import compare_benchmarks, run_benchmark

    if compare:
        compare_benchmarks(*compare, as_json)
    else:
        run_benchmark(out, [part.strip() for part in parts.split(",")], scale, save, as_json)


@models.command("train-builtin")
def train_builtin(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the model.")],
    seed: Annotated[int, typer.Option("--seed", help="Of scenes and weights.")] = 0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Wall time of the training.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps instead.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    captioner: Annotated[
        bool, typer.Option("--captioner", help="The small BLIP instead of the small CLIP.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train one of the small models that ship with pdray, on rendered scenes."""
    from pdray.cli.making import run_train_builtin

    run_train_builtin(out, seed, minutes, steps, threads, captioner, as_json)


RunId = Annotated[
    str, typer.Argument(metavar="ID", help="A run, by the start of its id or of its last 6 digits.")
]


@runs.callback()
def runs_list(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="The newest so many.")] = 20,
    collection: Collection = None,
    workspace: Workspace = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Runs, newest first: state, how far, how fast. What goes on can be paused and cancelled."""
    if context.invoked_subcommand is not None:
        given = (workspace, collection, config, as_json)
        if any(given):
            raise UsageError(
                f"Options go behind the command: pdray runs {context.invoked_subcommand} ID -w W."
            )
        return
    from pdray.cli.running import run_runs

    run_runs({"workspace": workspace, "config": config}, collection, limit, as_json)


@runs.command("show")
def runs_show(
    run: RunId, workspace: Workspace = None, config: Config = None, as_json: AsJson = False
) -> None:
    """One run, live or past: progress, folders, stages, failures."""
    from pdray.cli.running import run_show

    run_show({"workspace": workspace, "config": config}, run, as_json)


@runs.command("pause")
def runs_pause(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Begin no new unit; those in flight are finished. The run keeps its processes and memory."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "pause")


@runs.command("resume")
def runs_resume(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Let a paused run go on."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "resume")


@runs.command("cancel")
def runs_cancel(run: RunId, workspace: Workspace = None, config: Config = None) -> None:
    """Finish the units in flight, then end. Indexing again goes on from there."""
    from pdray.cli.running import run_ask

    run_ask({"workspace": workspace, "config": config}, run, "cancel")


def main() -> None:
    """The entry point: one sentence for an error, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    log.configure(verbose=debug)
    try:
        app(prog_name="pdray")
    except PdrayError as error:
        if debug:
            raise
        _fail(str(error), 2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.stderr.close()  # `pdray ... | head` is no error
        sys.exit(1)
    except (OSError, MemoryError) as error:
        if debug:
            raise
        _fail(f"The machine refused: {_reason(error)}. Add --debug for the details.", 1)
    except Exception as error:
        # The last line of defence: a person gets a sentence even for a fault of ours.
        if debug:
            raise
        said = " ".join(str(error).split())[:300]
        _fail(
            f"A fault in pdray, {type(error).__name__}: {said}. Nothing committed is lost; "
            "add --debug for the details to report.",
            1,
        )


def _reason(error: Any) -> str:
    name = f" ({error.filename})" if getattr(error, "filename", None) else ""
    return f"{getattr(error, 'strerror', None) or error or 'out of memory'}{name}"


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"pdray: {sentence}\n")
    sys.exit(code)
