"""`pdray eval captions` and `classes`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from pdray.cli.evaluating_images import Pictures
from pdray.cli.evaluating_report import Confused, Measured, Report
from pdray.cli.modelling import PRECISIONS, chosen
from pdray.cli.output import stderr
from pdray.errors import UsageError
from pdray.evaluation.reading import Captioned, Classified, read_captions, read_classes
from pdray.models.resolve import resolve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdray.models.encoder import DualEncoder

    Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Models:
    """Which models are asked, each in which number formats (by commas), and where they run."""

    names: Sequence[str]
    precisions: str
    device: str
    threads: int | None

    def encoders(self) -> "Iterator[DualEncoder]":
        """One after the other, so that memory holds one. What is no model or number format is
        said before the first is loaded.
        """
        from pdray.models.encoder import DualEncoder

        precisions = chosen(self.precisions, ("auto", *PRECISIONS))
        for spec in [resolve(name) for name in self.names]:
            for one in precisions:
                with stderr.status(f"Embedding by {escape(spec.name)} in {one}"):
                    yield DualEncoder(spec, device=self.device, precision=one, threads=self.threads)


def run_captions(
    file: Path,
    images: Path | None,
    split: str | None,
    limit: int | None,
    models: Models,
    report: Report,
) -> None:
    """The command `eval captions`."""
    read = read_captions(file, images, split, limit)
    pictures, found, left = Pictures(read.images), [], read
    for encoder in models.encoders():
        vectors = pictures.embed(encoder)
        left = _captioned(read, pictures.kept)
        found.append(_retrieval(left, encoder, vectors))
    about = {"images": len(left.images), "texts": len(left.texts), "missing": pictures.missing}
    report.tell(found, about)


def run_classes(
    folder: Path, templates: Sequence[str], limit: int | None, models: Models, report: Report
) -> None:
    """The command `eval classes`."""
    for template in templates:
        if "{}" not in template:
            raise UsageError(f"The template {template!r} has no {{}} where the class goes: add it.")
    read = read_classes(folder, limit)
    pictures, found = Pictures(read.images), []
    for encoder in models.encoders():
        vectors = pictures.embed(encoder)
        left = Classified(
            read.classes,
            [read.images[at] for at in pictures.kept],
            [read.label[at] for at in pictures.kept],
        )
        found.append(_zero_shot(left, encoder, vectors, templates))
    about = {
        "images": len(pictures.kept), "classes": len(read.classes), "missing": pictures.missing
    }  # fmt: skip
    report.tell(found, about)


def _captioned(read: Captioned, kept: Sequence[int]) -> Captioned:
    number = {old: new for new, old in enumerate(kept)}
    texts = [at for at, image in enumerate(read.of) if image in number]
    return Captioned(
        [read.images[at] for at in kept],
        [read.texts[at] for at in texts],
        [number[read.of[at]] for at in texts],
    )


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
    confused = _confused(read.classes, label, scores, rank)
    return Measured(
        encoder.spec.name, encoder.precision.precision, {"zero-shot": found}, groups, confused
    )


def _confused(
    classes: Sequence[str],
    label: "NDArray[np.int64]",
    scores: "Vectors",
    rank: "NDArray[np.int64]",
) -> list[Confused]:
    """Each class that has images: `label` (n,) is theirs, `scores` (n, classes), `rank` (n,) of the
    right class from 0.
    """
    import numpy as np

    others = scores.copy()
    others[np.arange(len(label)), label] = -np.inf
    first = others.argmax(axis=1)
    found = []
    for number, name in enumerate(classes):
        mine = label == number
        if mine.any():
            wrong = np.bincount(first[mine & (rank > 0)], minlength=len(classes))
            most = int(wrong.argmax())
            taken = classes[most] if wrong[most] else None
            right = float((rank[mine] == 0).mean())
            found.append(Confused(name, int(mine.sum()), right, taken, int(wrong[most])))
    return found
