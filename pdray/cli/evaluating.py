"""`pdray eval captions` and `classes`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from pdray.cli.output import console, print_json, stderr, table
from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned, Classified, read_captions, read_classes
from pdray.models.resolve import resolve
from pdray.records import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdray.models.encoder import DualEncoder

    Vectors = NDArray[np.float32]
    Values = NDArray[np.float64]

_TOGETHER = 256  # images that are decoded before they are embedded
_NAMED = 3
_SURE = 0.05  # of p
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
class Measured:
    """One model in one number format: its figures query by query, and the image of each query."""

    model: str
    precision: str
    figures: "dict[str, dict[str, Values]]"  # by what is asked for, then by figure
    groups: "dict[str, NDArray[np.int64]]"


def run_captions(
    file: Path,
    names: Sequence[str],
    images: Path | None,
    split: str | None,
    limit: int | None,
    precisions: Sequence[str],
    device: str,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """The command `eval captions`."""
    read = read_captions(file, images, split, limit)
    data, missing = _bytes_of(read.images)
    read = _without(read, missing)
    found = [
        _retrieval(read, encoder, pixels)
        for encoder, pixels in _encoders(names, precisions, device, threads, data)
    ]
    about = {"images": len(data), "texts": len(read.texts), "missing": len(missing)}
    _told(found, about, plot, as_json)


def run_classes(
    folder: Path,
    names: Sequence[str],
    templates: Sequence[str],
    limit: int | None,
    precisions: Sequence[str],
    device: str,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """The command `eval classes`."""
    for template in templates:
        if "{}" not in template:
            raise UsageError(f"The template {template!r} has no {{}} where the class goes: add it.")
    read = read_classes(folder, limit)
    data, missing = _bytes_of(read.images)
    kept = [at for at in range(len(read.images)) if at not in missing]
    read = Classified(
        read.classes, [read.images[at] for at in kept], [read.label[at] for at in kept]
    )
    found = [
        _zero_shot(read, encoder, pixels, templates)
        for encoder, pixels in _encoders(names, precisions, device, threads, data)
    ]
    about = {"images": len(data), "classes": len(read.classes), "missing": len(missing)}
    _told(found, about, plot, as_json)


def _bytes_of(paths: Sequence[Path]) -> tuple[list[bytes], set[int]]:
    """The images that can be read, and the numbers of the others, which are told."""
    data: list[bytes] = []
    missing: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            data.append(path.read_bytes())
        except OSError as error:
            missing[number] = f"{path}: {error.strerror or error}"
    if not data:
        first = next(iter(missing.values()))
        raise UsageError(f"None of {len(paths)} images can be read ({first}): name their folder.")
    for reason in list(missing.values())[:_NAMED]:
        stderr.print(f"[yellow]Note:[/] {escape(reason)}")
    if len(missing) > _NAMED:
        stderr.print(f"[yellow]Note:[/] {len(missing)} images are missing.")
    return data, set(missing)


def _without(read: Captioned, missing: set[int]) -> Captioned:
    kept = [at for at in range(len(read.images)) if at not in missing]
    number = {old: new for new, old in enumerate(kept)}
    texts = [at for at, image in enumerate(read.of) if image in number]
    return Captioned(
        [read.images[at] for at in kept],
        [read.texts[at] for at in texts],
        [number[read.of[at]] for at in texts],
    )


def _encoders(
    names: Sequence[str],
    precisions: Sequence[str],
    device: str,
    threads: int | None,
    data: Sequence[bytes],
) -> "Iterator[tuple[DualEncoder, Vectors]]":
    """Each model in each precision, and its vectors of the images."""
    from pdray.models.encoder import DualEncoder

    for spec in [resolve(name) for name in names]:
        for precision in precisions:
            with stderr.status(f"Embedding by {escape(spec.name)} in {precision.strip()}"):
                encoder = DualEncoder(
                    spec, device=device, precision=precision.strip(), threads=threads
                )
                yield encoder, _embedded(encoder, spec, data)


def _embedded(encoder: "DualEncoder", spec: ModelSpec, data: Sequence[bytes]) -> "Vectors":
    import numpy as np

    from pdray.images.errors import ImageError
    from pdray.images.examine import decode_pixels

    parts = []
    for start in range(0, len(data), _TOGETHER):
        try:
            some = [
                decode_pixels(one, spec.preprocessing) for one in data[start : start + _TOGETHER]
            ]
        except ImageError as error:
            raise UsageError(f"An image can't be decoded: {error.reason} Take it out.") from error
        parts.append(encoder.encode_pixels(np.stack(some)))
    return np.concatenate(parts)


def _retrieval(read: Captioned, encoder: "DualEncoder", images: "Vectors") -> Measured:
    import numpy as np

    from pdray.evaluation.metrics import alike, figures, ranks

    texts = encoder.encode_texts(read.texts)
    same = alike(read.texts)
    of = np.array(read.of, np.int64)
    to_image = [sorted({read.of[at] for at in one}) for one in same]
    to_text: list[set[int]] = [set() for _ in read.images]
    for text, image in enumerate(read.of):
        to_text[image].update(same[text])
    found = {
        "text to image": figures(ranks(texts, images, to_image)),
        "image to text": figures(ranks(images, texts, [sorted(one) for one in to_text])),
    }
    groups = {"text to image": of, "image to text": np.arange(len(read.images))}
    return Measured(encoder.spec.name, encoder.precision.precision, found, groups)


def _zero_shot(
    read: Classified, encoder: "DualEncoder", images: "Vectors", templates: Sequence[str]
) -> Measured:
    import numpy as np

    words = [template.replace("{}", name) for name in read.classes for template in templates]
    vectors = encoder.encode_texts(words).reshape(len(read.classes), len(templates), -1).mean(1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = images @ vectors.T
    label = np.array(read.label)
    own = scores[np.arange(len(label)), label][:, None]
    # A class of the same score comes before the right one, which is among them.
    rank = (scores >= own).sum(axis=1) - 1
    found = {"top_1": (rank < 1).astype(np.float64)}
    if len(read.classes) > 5:
        found["top_5"] = (rank < 5).astype(np.float64)
    groups = {"zero-shot": np.arange(len(label))}
    return Measured(encoder.spec.name, encoder.precision.precision, {"zero-shot": found}, groups)


def _told(
    found: Sequence[Measured], about: dict[str, int], plot: Path | None, as_json: bool
) -> None:
    lines = [line for one in found for line in _estimates(one)]
    pairs = [line for one in found[1:] for line in _differences(found[0], one)]
    if plot is not None:
        from pdray.cli.plotting import intervals

        intervals(plot, lines)
    if as_json:
        print_json({**about, "measured": lines, "differences": pairs})
        return
    for asked in dict.fromkeys(line["asked"] for line in lines):
        _tell([line for line in lines if line["asked"] == asked])
    said = ", ".join(f"{number} {name}" for name, number in about.items() if number)
    console.print(f"[dim]{said}; 95% intervals by bootstrap over images.[/]")
    for asked in dict.fromkeys((pair["second"], pair["asked"]) for pair in pairs):
        _tell_pairs([pair for pair in pairs if (pair["second"], pair["asked"]) == asked])
    if plot is not None:
        console.print(f"The plot is in {escape(str(plot))}.")


def _tell(lines: Sequence[dict[str, Any]]) -> None:
    rows = table(lines[0]["asked"], *(f">{_SHOWN[name]}" for name in lines[0]["figures"]))
    for line in lines:
        cells = (
            f"{one['mean']:.3f}\n[dim]{one['low']:.2f}–{one['high']:.2f}[/]"
            for one in line["figures"].values()
        )
        rows.add_row(f"{escape(_short(line['model']))} {line['precision']}", *cells)
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


def _estimates(one: Measured) -> Iterator[dict[str, Any]]:
    from pdray.evaluation.intervals import estimate

    for asked, figures in one.figures.items():
        said = {k: asdict(estimate(v, one.groups[asked])) for k, v in figures.items()}
        yield {
            "asked": asked,
            "model": one.model,
            "precision": one.precision,
            "queries": len(one.groups[asked]),
            "figures": said,
        }


def _differences(first: Measured, second: Measured) -> Iterator[dict[str, Any]]:
    from pdray.evaluation.intervals import difference

    names = [f"{one.model} {one.precision}" for one in (first, second)]
    for asked, figures in first.figures.items():
        for name in figures:
            before, after = figures[name], second.figures[asked][name]
            apart = difference(before, after, first.groups[asked])
            yield {
                "asked": asked, "figure": name, "first": names[0], "second": names[1],
                **asdict(apart),
            }  # fmt: skip
