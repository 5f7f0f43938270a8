"""Captioners: from what a user calls one to a spec, and from a spec to the object. No torch here.

What is not transformers' comes as "package.module:Class": a class that is built without arguments,
with `preprocessing` (a pdray.records.Preprocessing), `version` (a text that changes with its
captions) and `caption(pixels)`, uint8 (n, height, width, 3) to n texts.
"""

import hashlib
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pdray.errors import ModelUnavailable, PdrayError, UsageError
from pdray.models import layout
from pdray.models.fingerprint import fingerprint
from pdray.models.hub import Hub, is_hub_name, snapshot
from pdray.models.preprocessing import read_preprocessing
from pdray.models.resolve import BUILTIN, BUILTIN_CAPTIONER, builtin_folder, check_image_size
from pdray.records import CaptionerSpec, Preprocessing

# By transformers' config.model_type.
KINDS = {"blip": "pdray.models.blip:Blip"}
_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class Captioner(Protocol):
    """What describes pictures."""

    def caption(self, pixels: NDArray[np.uint8], batch_size: int | None = None) -> Sequence[str]:
        """A text for each picture (n, height, width, 3), made as its preprocessing says."""
        ...


def resolve_captioner(
    name: str,
    *,
    beams: int = 1,
    longest: int = 40,
    offline: bool = False,
    revision: str | None = None,
) -> CaptionerSpec:
    """The spec of "builtin", of a BLIP's folder, of a hub name such as
    Salesforce/blip-image-captioning-base, or of a class of someone else's. ModelUnavailable says
    in one sentence what is wrong and what to do.
    """
    if name == BUILTIN:
        folder, location, revision = builtin_folder(BUILTIN_CAPTIONER), BUILTIN_CAPTIONER, None
    elif _CLASS.fullmatch(name):
        return _of_class(name, beams, longest)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
        name = location = str(folder)
    elif is_hub_name(name):
        folder = snapshot(name, revision=revision, offline=offline, hub=Hub())
        location, revision = name, folder.name
    else:
        raise ModelUnavailable(
            f"There is no captioner {name}: give builtin, a BLIP's folder, a hub name such as "
            "Salesforce/blip-image-captioning-base, or package.module:Class."
        )
    layout.check(folder)
    config = layout.read_json(folder / layout.CONFIG)
    kind = str(config.get("model_type"))
    if kind not in KINDS:
        raise ModelUnavailable(
            f"The model in {folder} is of type {kind!r}, no captioner that pdray knows: use one of "
            f"type {', '.join(KINDS)}, or name a class of yours (package.module:Class)."
        )
    preprocessing = read_preprocessing(folder, kind)
    check_image_size(folder, config, preprocessing, usual=384)
    return CaptionerSpec(
        name, location, revision, kind, fingerprint(folder), preprocessing, beams, longest
    )


def build_captioner(
    spec: CaptionerSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> Captioner:
    """The captioner, loaded where this is called. Raises ModelUnavailable or UsageError."""
    if spec.kind not in KINDS:
        found: Captioner = _load(spec.kind)()
        return found
    built: Captioner = _load(KINDS[spec.kind])(
        spec, device=device, precision=precision, threads=threads
    )
    return built


def _of_class(name: str, beams: int, longest: int) -> CaptionerSpec:
    try:
        made = _load(name)()
        preprocessing, version = made.preprocessing, str(made.version)
    except PdrayError:
        raise
    except Exception as error:  # whatever someone else's code does
        raise ModelUnavailable(
            f"The captioner {name} can't be built ({type(error).__name__}: {error}): it needs "
            "attributes preprocessing and version, and a method caption."
        ) from error
    if not isinstance(preprocessing, Preprocessing) or not callable(getattr(made, "caption", None)):
        raise ModelUnavailable(
            f"The captioner {name} has no preprocessing of pdray.records or no method caption."
        )
    print_ = hashlib.sha256(f"{name}\n{version}".encode()).hexdigest()[:32]
    label = name.partition(":")[2]
    return CaptionerSpec(label, name, None, name, print_, preprocessing, beams, longest)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"There is no captioner {target} ({error}): check its package and its name."
        ) from error
