"""Reads how a model wants its pixels from its own image-processor file. No torch here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from pdray.errors import ModelUnavailable
from pdray.models import layout
from pdray.records import Preprocessing

_Triple = tuple[float, float, float]

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

# What a file leaves out, as the processor class of each architecture has it.
_CLIP_DEFAULTS: dict[str, object] = {
    "size": {"shortest_edge": 224},
    "crop_size": 224,
    "do_center_crop": True,
    "image_mean": _CLIP_MEAN,
    "image_std": _CLIP_STD,
}
_DEFAULTS: dict[str, dict[str, object]] = {
    "clip": _CLIP_DEFAULTS,
    "chinese_clip": _CLIP_DEFAULTS,
    "metaclip_2": _CLIP_DEFAULTS,
    "siglip": {
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "image_mean": (0.5, 0.5, 0.5),
        "image_std": (0.5, 0.5, 0.5),
    },
    "blip": {
        "size": {"height": 384, "width": 384},
        "do_center_crop": False,
        "image_mean": _CLIP_MEAN,
        "image_std": _CLIP_STD,
    },
}
_COMMON: dict[str, object] = {
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
}


def read_preprocessing(folder: Path, model_type: str) -> Preprocessing:
    """The preprocessing of a model folder; ModelUnavailable where it is none that pdray can do."""
    path, document = _processor(folder)
    try:
        return parse_preprocessing(document, model_type)
    except ValueError as error:
        raise ModelUnavailable(
            f"The image processor {path} asks for what pdray can't do ({error}): use another model."
        ) from error


def parse_preprocessing(document: Mapping[str, object], model_type: str) -> Preprocessing:
    """Preprocessing from the content of preprocessor_config.json, in any of its generations.

    ValueError says what can't be done. Rescaling other than 1/255 is folded into mean and std.
    """
    given = {key: value for key, value in document.items() if value is not None}
    settings = _COMMON | _DEFAULTS[model_type] | given
    if not settings["do_resize"]:
        raise ValueError("it does not resize, so that images would differ in size")
    mode_edge = _shortest_edge(settings["size"])
    crop = _height_width(settings["crop_size"]) if settings["do_center_crop"] else None
    if mode_edge is not None:
        if crop is None:
            raise ValueError("it resizes the shortest edge and does not crop")
        height, width = crop
    else:
        height, width = _height_width(settings["size"])
        if crop not in (None, (height, width)):
            raise ValueError("it crops after resizing both sides")
    mean, std = _normalisation(settings)
    return Preprocessing(
        height=height,
        width=width,
        mode="exact" if mode_edge is None else "shortest-edge",
        edge=max(height, width) if mode_edge is None else mode_edge,
        resample=_whole(settings["resample"], "resample"),
        mean=mean,
        std=std,
    )


def _processor(folder: Path) -> tuple[Path, Mapping[str, object]]:
    nested, plain = (folder / name for name in layout.PROCESSORS)
    if nested.is_file():
        inner = layout.read_json(nested).get("image_processor")
        if isinstance(inner, Mapping):
            return nested, cast(Mapping[str, object], inner)
    return plain, layout.read_json(plain)


def _shortest_edge(size: object) -> int | None:
    """The edge of a size that keeps the aspect, None for one that gives both sides."""
    if not isinstance(size, Mapping):
        # A bare number meant the shortest edge in the first generation of these files.
        return _whole(size, "size")
    if size.get("longest_edge") is not None or size.get("max_height") is not None:
        raise ValueError(f"its size {dict(size)} limits the longest edge")
    edge = size.get("shortest_edge")
    return None if edge is None else _whole(edge, "shortest_edge")


def _height_width(size: object) -> tuple[int, int]:
    if isinstance(size, Mapping):
        return _whole(size.get("height"), "height"), _whole(size.get("width"), "width")
    side = _whole(size, "size")
    return side, side


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def _normalisation(settings: Mapping[str, object]) -> tuple[_Triple, _Triple]:
    """Mean and std that act on pixels / 255.

    (x f - m) / s with any factor f equals (x / 255 - m / (255 f)) / (s / (255 f)).
    """
    factor = float(cast(float, settings["rescale_factor"])) if settings["do_rescale"] else 1.0
    scale = 1.0 if abs(255 * factor - 1) < 1e-6 else 255 * factor
    if settings["do_normalize"]:
        mean, std = _triple(settings["image_mean"]), _triple(settings["image_std"])
    else:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if scale <= 0 or min(std) <= 0:
        raise ValueError("its rescaling or standard deviation is not positive")
    return _divided(mean, scale), _divided(std, scale)


def _triple(value: object) -> _Triple:
    numbers = [value] * 3 if isinstance(value, int | float) else value
    if not isinstance(numbers, Sequence) or len(numbers) != 3:
        raise ValueError(f"its mean or standard deviation is {value!r}")
    red, green, blue = (float(cast(float, number)) for number in numbers)
    return red, green, blue


def _divided(triple: _Triple, scale: float) -> _Triple:
    return triple if scale == 1.0 else (triple[0] / scale, triple[1] / scale, triple[2] / scale)
