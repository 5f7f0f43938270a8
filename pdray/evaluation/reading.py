"""What is known to be right, read from files: captions of images, or folders of classes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdray.errors import UsageError

_IMAGES = frozenset(
    (".jpg", ".jpeg", ".jp2", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif")
)


@dataclass(frozen=True, slots=True)
class Captioned:
    """Images and what is said of them: text i is of images[of[i]]."""

    images: list[Path]
    texts: list[str]
    of: list[int]


@dataclass(frozen=True, slots=True)
class Classified:
    """Images by class: image i is of classes[label[i]]."""

    classes: list[str]
    images: list[Path]
    label: list[int]


def read_captions(
    path: Path, folder: Path | None = None, split: str | None = None, limit: int | None = None
) -> Captioned:
    """From a .jsonl of `{"file": …, "caption": …}` (or "captions": […]) a line, or a .json in the
    form of Karpathy and Fei-Fei's splits of COCO and Flickr30k. Files are relative to `folder`, by
    default the file's own. `split` names one of a .json's, `limit` the images at most.

    Raises UsageError, naming the line or image, for what it can't read, and where nothing is left.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read as captions: {error}.") from error
    entries = _lines(path, text) if path.suffix == ".jsonl" else _karpathy(path, text, split)
    folder = folder or path.parent
    images: dict[Path, int] = {}
    found = Captioned([], [], [])
    for file, captions in entries:
        place = folder / file
        if place not in images:
            if limit is not None and len(images) == limit:
                continue
            images[place] = len(images)
            found.images.append(place)
        found.texts.extend(captions)
        found.of.extend([images[place]] * len(captions))
    if not found.texts:
        kept = f" of split {split!r}" if split else ""
        raise UsageError(f"{path} has no captions{kept}: name another file.")
    return found


def _lines(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    # Not splitlines: JSON's strings may hold U+2028 and U+0085 as they are, which it would cut.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            captions = entry["captions"] if "captions" in entry else [entry["caption"]]
            yield _checked(entry["file"], captions)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f'Line {number} of {path} is no {{"file": …, "caption": …}}: mend or remove it.'
            ) from error


def _karpathy(path: Path, text: str, split: str | None) -> Iterator[tuple[str, list[str]]]:
    try:
        images = json.loads(text)["images"]
        if not isinstance(images, list):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{path} is no JSON with "images" and their "sentences": name a .jsonl, or a file in '
            "the form of the Karpathy splits."
        ) from error
    for number, entry in enumerate(images, 1):
        try:
            if split is None or entry.get("split") == split:
                file = str(Path(entry.get("filepath", ""), entry["filename"]))
                yield _checked(file, [one["raw"] for one in entry["sentences"]])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f'Image {number} of {path} lacks "filename" or its "sentences": mend or remove it.'
            ) from error


def _checked(file: Any, captions: Any) -> tuple[str, list[str]]:
    """The same; ValueError for what is none. An image without a caption has no right answer."""
    if not isinstance(file, str) or not isinstance(captions, list) or not captions:
        raise ValueError
    for one in (file, *captions):
        if not isinstance(one, str) or not one.strip() or "\0" in file:
            raise ValueError
        one.encode()  # half of a surrogate pair is JSON, but neither a file's name nor a word
    return file, captions


def read_classes(folder: Path, limit: int | None = None) -> Classified:
    """From folders named as their class, `limit` images of each at most; "_" in a name is a space.
    Raises UsageError where there are fewer than two.
    """
    found = Classified([], [], [])
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    for one in inside:
        images = [path for path in _walk(one) if path.suffix.lower() in _IMAGES]
        if images:
            found.images.extend(images[:limit])
            found.label.extend([len(found.classes)] * len(images[:limit]))
            found.classes.append(one.name.replace("_", " "))
    if len(found.classes) < 2:
        raise UsageError(
            f"{folder} holds {len(found.classes)} folders with images: each class is a folder of "
            "its own, and two or more are needed."
        )
    return found


def _walk(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
