"""`pdray demo`: a collection, an index, three searches and the page: one command shows it all."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from rich.markup import escape

from pdray.catalog.catalog import Catalog
from pdray.cli.indexing import indexed, show
from pdray.cli.output import console
from pdray.cli.searching import draw, towers
from pdray.cli.searching import show as show_answer
from pdray.cli.serving import free_port, serve
from pdray.config import DEFAULT_MODEL, Settings, load
from pdray.errors import IngestError, ModelUnavailable
from pdray.ingest.current import Options
from pdray.ingest.maintain import status
from pdray.ingest.target import index_target
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from pdray.search.query import Query, search
from pdray.serve.reaching import reach

_SAMPLE_QUERIES = (
    "a purple heart on a black background",
    "a blue shape on a yellow background",
    "something red on a white background",
)
_OWN_QUERIES = ("people outdoors", "a landscape with water", "something red")
_SEED = 2026


def run_demo(images: Path | None, out: Path, count: int, once: bool) -> None:
    """The command."""
    folder = images or out / "images"
    if images is None:
        _draw_scenes(folder, count)
    model, warning = ("builtin", None) if images is None else _model()
    if warning:
        console.print(f"[yellow]{escape(warning)}[/]")
    # A workspace for each folder: what one demo indexed must not turn up in the next.
    workspace = out / (f"workspace-{images.resolve().name}" if images else "workspace")
    settings = load({"workspace": str(workspace), "model": model})
    queries = _SAMPLE_QUERIES if images is None else _OWN_QUERIES
    if once:
        show(indexed(settings, [str(folder)], Options()))
        _search(settings, out, queries)
        _more(workspace, out)
        return
    settings = replace(settings, serve=replace(settings.serve, port=free_port(settings)))
    serve(settings, lambda url, ending: _beside(settings, folder, out, queries, url, ending))


def _beside(
    settings: Settings,
    folder: Path,
    out: Path,
    queries: tuple[str, ...],
    url: str,
    ending: threading.Event,
) -> None:
    """Indexes while the page shows it, then searches."""
    console.print(f"Watch it being indexed at [bold]{url}/runs[/]", soft_wrap=True)
    words = ["index", str(folder), "-w", settings.workspace, "--model", str(settings.model)]
    run = subprocess.Popen([sys.executable, "-m", "pdray", *words])
    while run.poll() is None:
        if ending.wait(0.1):
            run.terminate()  # it finishes what it has in hand
            run.wait()
            return
    if run.returncode:
        raise IngestError("The demo ends here, because its images could not be indexed.")
    while _waiting(settings) and not ending.wait(0.2):
        pass  # the server brings in what the run committed
    _search(settings, out, queries)
    _more(Path(settings.workspace), out)
    console.print(
        f"\n[bold]Look at your images: {url}[/]  (the API: {url}/docs). Ctrl-C ends it.",
        soft_wrap=True,
    )


def _waiting(settings: Settings) -> bool:
    """Whether the index lacks any of what is committed."""
    found = status(settings, index_target(settings), reach)["collections"]
    return any(one["pending"] != 0 for one in found)


def _more(workspace: Path, out: Path) -> None:
    console.print(f"\nThe contact sheets are in [bold]{escape(str(out))}[/]. Now try:")
    console.print(
        f'  [bold].venv/bin/pdray search -w {escape(str(workspace))} "what you look for"[/]'
    )
    console.print(f"  [bold].venv/bin/pdray status -w {escape(str(workspace))}[/]")


def _draw_scenes(folder: Path, count: int) -> None:
    captions = folder / "captions.jsonl"
    if captions.exists() and sum(1 for _ in captions.open(encoding="utf-8")) == count:
        return
    console.print(f"Drawing {count} scenes into {folder} ...")
    write_collection(folder, count, _SEED)


def _model() -> tuple[str, str | None]:
    """The real CLIP where it can be had, else the built-in model and a plain warning."""
    try:
        resolve(DEFAULT_MODEL)
    except ModelUnavailable as error:
        return "builtin", (
            f"{error} Going on with the built-in model: it knows only drawn shapes, colours, "
            "textures and backgrounds. On photos it finds colours and rough likeness at best; it "
            "does not know people, places, animals or things."
        )
    return DEFAULT_MODEL, None


def _search(settings: Settings, out: Path, queries: tuple[str, ...]) -> None:
    settings = replace(settings, model=None)
    catalog = Catalog.open(settings.workspace)
    wanted = [Query(text, limit=12) for text in queries]
    with towers(settings, catalog, wanted) as found:
        for number, (text, query) in enumerate(zip(queries, wanted, strict=True), 1):
            answer = search(query, found)
            sheet = out / f"search-{number}.png"
            draw(catalog, answer, sheet)
            console.print(f"\n[bold]{escape(text)}[/]  → {sheet}")
            show_answer(replace(answer, hits=answer.hits[:5]))
