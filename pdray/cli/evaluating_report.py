"""What `pdray eval captions` and `classes` say: intervals, differences, tables, JSON, a plot."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, print_json, table
from pdray.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

_SURE = 0.05  # of p
_WORST = 8  # classes of a table; JSON has them all
_SHOWN = {
    "recall_at_1": "R@1",
    "recall_at_5": "R@5",
    "recall_at_10": "R@10",
    "reciprocal_rank": "MRR",
    "ndcg_at_10": "nDCG@10",
    "top_1": "top 1",
    "top_5": "top 5",
}


@dataclass(frozen=True, slots=True)
class Confused:
    """One class: its images, the share that is told right, and what the rest is taken for most
    (None: nothing is), with how often.
    """

    name: str
    images: int
    right: float
    taken_for: str | None
    times: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One model in one number format: its figures query by query, and the image of each query."""

    model: str
    precision: str
    figures: "dict[str, dict[str, Values]]"  # by what is asked for, then by figure
    groups: "dict[str, NDArray[np.int64]]"
    confused: list[Confused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """How what was measured is told: `seed` is that of all chance, `plot` a .png or None."""

    seed: int
    plot: Path | None
    as_json: bool

    def __post_init__(self) -> None:
        # Here and not after an hour of embedding.
        if self.plot is not None and self.plot.suffix.lower() != ".png":
            raise UsageError(f"The plot {self.plot} is no .png: name one.")
        if self.plot is not None and not self.plot.absolute().parent.is_dir():
            raise UsageError(f"The plot {self.plot} has no folder to be in: make it first.")

    def tell(self, found: Sequence[Measured], about: dict[str, int]) -> None:
        """The intervals of each, and the difference of each to the first."""
        lines = [line for one in found for line in _estimates(one, self.seed)]
        pairs = [line for one in found[1:] for line in _differences(found[0], one, self.seed)]
        if self.plot is not None:
            from pdray.cli.plotting import intervals

            intervals(self.plot, lines)
        if self.as_json:
            print_json({**about, "measured": lines, "differences": pairs})
            return
        for asked in dict.fromkeys(line["asked"] for line in lines):
            _tell([line for line in lines if line["asked"] == asked])
        said = ", ".join(f"{number} {name}" for name, number in about.items() if number)
        console.print(f"[dim]{said}; 95% intervals by bootstrap over images.[/]")
        for one in found:
            _tell_confused(one)
        for asked in dict.fromkeys((pair["second"], pair["asked"]) for pair in pairs):
            _tell_pairs([pair for pair in pairs if (pair["second"], pair["asked"]) == asked])
        if self.plot is not None:
            console.print(f"The plot is in {escape(str(self.plot))}.")


def _tell(lines: Sequence[dict[str, Any]]) -> None:
    rows = table(lines[0]["asked"], *(f">{_SHOWN[name]}" for name in lines[0]["figures"]))
    for line in lines:
        cells = (
            f"{one['mean']:.3f}\n[dim]{one['low']:.3f}–{one['high']:.3f}[/]"
            for one in line["figures"].values()
        )
        rows.add_row(f"{escape(_short(line['model']))} {line['precision']}", *cells)
    console.print(rows)


def _tell_confused(one: Measured) -> None:
    worst = sorted((each for each in one.confused if each.right < 1), key=lambda each: each.right)
    if not worst:
        return
    said = f"{escape(_short(one.model))} {one.precision}"
    rows = table(f"{said} confuses", ">images", ">right", "most with", ">times")
    for each in worst[:_WORST]:
        taken = escape(each.taken_for or "")
        rows.add_row(
            escape(each.name), str(each.images), f"{each.right:.3f}", taken, str(each.times)
        )
    console.print(rows)


def _tell_pairs(pairs: Sequence[dict[str, Any]]) -> None:
    names = [escape(_short(pairs[0][name])) for name in ("second", "first")]
    console.print(f"{names[0]} less {names[1]}, {pairs[0]['asked']}:")
    rows = table("", ">difference", ">95%", ">p", "")
    for pair in pairs:
        better = "better" if pair["mean"] > 0 else "worse"
        rows.add_row(
            _SHOWN[pair["figure"]],
            f"{pair['mean']:+.3f}",
            f"{pair['low']:+.3f} to {pair['high']:+.3f}",
            f"{pair['p']:.4f}",
            better if pair["p"] < _SURE else "not to be told apart",
        )
    console.print(rows)


def _short(model: str) -> str:
    return model.rstrip("/").rsplit("/", 1)[-1]


def _estimates(one: Measured, seed: int) -> Iterator[dict[str, Any]]:
    from pdray.evaluation.intervals import estimate

    for asked, figures in one.figures.items():
        line = {
            "asked": asked,
            "model": one.model,
            "precision": one.precision,
            "queries": len(one.groups[asked]),
            "figures": {
                k: asdict(estimate(v, one.groups[asked], seed)) for k, v in figures.items()
            },
        }
        yield {**line, "classes": [asdict(each) for each in one.confused]} if one.confused else line


def _differences(first: Measured, second: Measured, seed: int) -> Iterator[dict[str, Any]]:
    from pdray.evaluation.intervals import difference

    names = [f"{one.model} {one.precision}" for one in (first, second)]
    for asked, figures in first.figures.items():
        for name in figures:
            before, after = figures[name], second.figures[asked][name]
            apart = difference(before, after, first.groups[asked], seed)
            yield {
                "asked": asked, "figure": name, "first": names[0], "second": names[1],
                **asdict(apart),
            }  # fmt: skip
