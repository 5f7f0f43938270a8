"""The commands, put together. `--help` must answer at once: nothing heavy is imported here."""

from collections.abc import Callable
from typing import Annotated

import typer

from pdray.cli.commands import (
    benchmark,
    captioning,
    demo,
    evaluating,
    indexing,
    keeping,
    looking,
    making,
    mending,
    modelling,
    planning,
    running,
    searching,
    serving,
    switching,
    tuning,
)

app = typer.Typer(
    name="pdray",
    help="Make any pile of images searchable: by words, by example, by metadata.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; works anywhere.")
    ] = False,
) -> None:
    """Make any pile of images searchable: by words, by example, by metadata."""


# In the order of `pdray --help`.
_COMMANDS: tuple[Callable[..., None], ...] = (
    indexing.index,
    planning.plan,
    captioning.caption,
    searching.search,
    serving.serve,
    looking.status,
    looking.errors,
    mending.verify,
    mending.rebuild,
    keeping.compact,
    keeping.forget,
    keeping.corrections,
    keeping.backup,
    keeping.restore,
    making.samples,
    tuning.finetune,
    looking.doctor,
    demo.demo,
    benchmark.benchmark,
)
for command in _COMMANDS:
    app.command()(command)

models = typer.Typer(
    help="Models: which there are, what they take.", no_args_is_help=True, rich_markup_mode=None
)
models.command("list")(modelling.list_models)
models.command()(modelling.memory)
models.command()(modelling.compare)
models.command()(switching.switch)
models.command("train-builtin")(making.train_builtin)
app.add_typer(models, name="models")

evaluate = typer.Typer(
    help="How well models and indexes find what is known to be right.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for command in (evaluating.captions, evaluating.classes, evaluating.index):
    evaluate.command()(command)
app.add_typer(evaluate, name="eval")

runs = typer.Typer(help="Runs: what they did, how far they are; pause, resume, cancel.")
runs.callback()(running.runs)
for command in (running.show, running.pause, running.resume, running.cancel):
    runs.command()(command)
app.add_typer(runs, name="runs", invoke_without_command=True)
