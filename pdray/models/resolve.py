"""From what a user calls a model to a ModelSpec. No torch: a run with nothing to do needs none."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from pdray.errors import ModelUnavailable
from pdray.models import layout
from pdray.models.fingerprint import fingerprint
from pdray.models.hub import Hub, is_hub_name, snapshot
from pdray.models.preprocessing import read_preprocessing
from pdray.records import CaptionerSpec, ModelSpec, Preprocessing

BUILTIN = "builtin"
BUILTIN_CAPTIONER = "builtin_captioner"


def resolve(
    name: str, *, offline: bool = False, revision: str | None = None, token: str | None = None
) -> ModelSpec:
    """The spec of "builtin", of a model folder, or of a hub name (openai/clip-vit-base-patch32).

    A folder of that name wins over the hub. The hub is asked only where its local cache lacks the
    model. ModelUnavailable says in one sentence what is wrong and what to do.
    """
    if name == BUILTIN:
        return describe(builtin_folder(), name=BUILTIN, location=BUILTIN)
    path = Path(name).expanduser()
    if path.is_dir():
        full = str(path.resolve())
        return describe(path, name=full, location=full)
    if not is_hub_name(name):
        raise ModelUnavailable(
            f"There is no model folder {name}: give a folder, a hub name such as "
            "openai/clip-vit-base-patch32, or --model builtin."
        )
    folder = snapshot(name, revision=revision, offline=offline, hub=Hub(token=token))
    return describe(folder, name=name, location=name, revision=folder.name)


def folder_of(spec: ModelSpec | CaptionerSpec, *, token: str | None = None) -> Path:
    """Where a spec's files lie on this machine, fetched from the hub if need be.

    The model must be the one that was resolved: ModelUnavailable where its files differ by now.
    """
    if spec.location in (BUILTIN, BUILTIN_CAPTIONER):
        folder = builtin_folder(spec.location)
    elif Path(spec.location).is_dir():
        folder = Path(spec.location)
    elif is_hub_name(spec.location):
        folder = snapshot(
            spec.location, revision=spec.revision, offline=False, hub=Hub(token=token)
        )
    else:
        raise ModelUnavailable(
            f"The model folder {spec.location} is not on this machine: put it at the same path on "
            "every machine, or use a hub name."
        )
    layout.check(folder)
    if fingerprint(folder) != spec.fingerprint:
        if spec.location == BUILTIN:
            raise ModelUnavailable(
                "The collection has vectors by an earlier built-in model than this version's: "
                "`pdray models switch builtin` gives it this one."
            )
        raise ModelUnavailable(
            f"The files of the model {spec.name} differ from those that this run began with: make "
            "them the same on every machine and start again."
        )
    return folder


def describe(folder: Path, *, name: str, location: str, revision: str | None = None) -> ModelSpec:
    """The spec of a model folder under a given name; ModelUnavailable where it can't be used."""
    layout.check(folder)
    config = layout.read_json(folder / layout.CONFIG)
    model_type = _model_type(folder, config)
    preprocessing = read_preprocessing(folder, model_type)
    check_image_size(folder, config, preprocessing)
    return ModelSpec(
        name=name,
        location=location,
        revision=revision,
        model_type=model_type,
        dim=_dim(config, model_type),
        fingerprint=fingerprint(folder),
        preprocessing=preprocessing,
    )


def builtin_folder(name: str = BUILTIN) -> Path:
    """Where a built-in model lies in this installation."""
    folder = Path(__file__).with_name(name)
    if not (folder / layout.CONFIG).is_file():
        raise ModelUnavailable(
            f"This installation lacks the built-in model {name}: run `pdray models train-builtin`, "
            "or name a hub model or a local folder."
        )
    return folder


def _model_type(folder: Path, config: Mapping[str, object]) -> str:
    found = config.get("model_type")
    if found == "siglip2":
        raise ModelUnavailable(
            f"The model in {folder} is a SigLIP 2 of flexible resolution (NaFlex), which pdray "
            "does not run: use a fixed-resolution one such as google/siglip2-base-patch16-224."
        )
    if found not in ("clip", "siglip", "chinese_clip", "metaclip_2"):
        raise ModelUnavailable(
            f"The model in {folder} is of type {found!r}, no dual encoder that pdray knows: use a "
            "CLIP, MetaCLIP 2, SigLIP, SigLIP 2 or Chinese-CLIP model."
        )
    return str(found)


def _part(config: Mapping[str, object], tower: str) -> Mapping[str, object]:
    part = config.get(f"{tower}_config")
    return cast(Mapping[str, object], part) if isinstance(part, Mapping) else {}


def _dim(config: Mapping[str, object], model_type: str) -> int:
    """Length of the embeddings. Config files leave out what equals the class's default."""
    if model_type == "siglip":
        text = _part(config, "text")
        found = text.get("projection_size") or text.get("hidden_size") or 768
    else:
        found = config.get("projection_dim") or 512
    return int(cast(int, found))


def check_image_size(
    folder: Path, config: Mapping[str, object], preprocessing: Preprocessing, usual: int = 224
) -> None:
    """ModelUnavailable where model and image processor disagree. `usual` is what a config that
    doesn't say it means."""
    size = _part(config, "vision").get("image_size") or usual
    sides = tuple(size) if isinstance(size, list) else (size, size)
    if sides != (preprocessing.height, preprocessing.width):
        raise ModelUnavailable(
            f"The model in {folder} takes images of {sides[0]}x{sides[1]} and its image processor "
            f"makes {preprocessing.height}x{preprocessing.width}: its files do not belong together."
        )
