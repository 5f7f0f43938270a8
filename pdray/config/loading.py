"""File < environment < flags, into one Settings tree. The only reader of the environment."""

import difflib
import hashlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from pdray.config.kinds import URL
from pdray.config.listing import secrets_among, settings_by_name
from pdray.config.secret import Secret
from pdray.config.settings import SECTIONS, Settings
from pdray.errors import UsageError

FILE_NAME = "pdray.toml"
_TESTS = "PDRAY_TEST_"  # variables that the tests read themselves
# Each may also stand in a file that PDRAY_<NAME>_FILE names, as containers are given them. Qdrant's
# key has a setting for that, which the settings file knows too.
_SECRETS = [
    name for name in secrets_among(settings_by_name()) if f"{name}_file" not in settings_by_name()
]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Values of one origin by flat name; `where` names a value's place for a message."""

    values: Mapping[str, object]
    folder: Path  # that relative paths start from
    text: bool  # whether numbers and switches may come as text
    where: Mapping[str, str]


def load(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    cwd: Path | None = None,
) -> Settings:
    """The settings of this call. Raises UsageError in one sentence that names place and key.

    `flags` go by flat name (`workspace`, `qdrant_url`, `ingest_batch_size`), None is not given;
    `config` names the file, else PDRAY_CONFIG does, else the first pdray.toml of `cwd` and of the
    user's configuration folder counts. Relative paths start from the file's folder, or `cwd`.
    """
    here = cwd or Path.cwd()
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    path = _find_file(given.pop("config", None) or environ.get("PDRAY_CONFIG"), here)
    layers = [
        *([_file_layer(path)] if path else []),
        _environment_layer(environ, here),
        _flag_layer(given, here),
    ]
    values: dict[str, Any] = {}
    for layer in layers:
        _apply(layer, values)
    return _build(values, here)


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment under which another process has these settings. It holds their secrets."""
    found = {}
    for name, setting in settings_by_name().items():
        section = getattr(settings, setting.section) if setting.section else settings
        value = getattr(section, setting.field)
        if isinstance(value, Secret):
            value = value.reveal()
        if value not in (None, ""):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found[f"PDRAY_{name.upper()}"] = text
    if "PDRAY_QDRANT_API_KEY" in found:  # the key itself is there
        found.pop("PDRAY_QDRANT_API_KEY_FILE", None)
    return found


def _find_file(named: object, here: Path) -> Path | None:
    if named:
        path = here / Path(str(named)).expanduser()
        if not path.is_file():
            raise UsageError(f"The settings file {path} does not exist; check --config.")
        return path
    places = (here, Path(platformdirs.user_config_dir("pdray")))
    return next((place / FILE_NAME for place in places if (place / FILE_NAME).is_file()), None)


def _file_layer(path: Path) -> _Layer:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from error
    known = settings_by_name()
    values: dict[str, object] = {}
    where: dict[str, str] = {}
    for name, key, value in _flatten(document):
        if name not in known or key != known[name].key:
            raise UsageError(f"{path} has an unknown key {key}; remove or correct it.")
        values[name], where[name] = value, f"{path}: {key}"
    return _Layer(values, path.parent, False, where)


def _flatten(document: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """(flat name, key as written, value) of every leaf."""
    for key, value in document.items():
        if key in SECTIONS and isinstance(value, dict):
            for below, item in value.items():
                yield f"{key}_{below}", f"{key}.{below}", item
        else:
            yield key, key, value


def _environment_layer(environ: Mapping[str, str], here: Path) -> _Layer:
    where = {name: f"PDRAY_{name.upper()}" for name in settings_by_name()}
    files = {name: f"{where[name]}_FILE" for name in _SECRETS}
    _refuse_unknown(environ, {*where.values(), *files.values(), "PDRAY_CONFIG"})
    if not environ.get(where["ray_address"]):
        where["ray_address"] = "RAY_ADDRESS"  # what `ray job submit` sets
    values: dict[str, object] = {
        name: _read_secret(here / environ[key], key)
        for name, key in files.items()
        if environ.get(key)
    }
    values |= {name: environ[key] for name, key in where.items() if environ.get(key)}
    return _Layer(values, here, True, where)


def _refuse_unknown(environ: Mapping[str, str], known: Iterable[str]) -> None:
    """A misspelt variable would otherwise be passed over, and its default hold in silence."""
    for name in environ:
        if name.startswith("PDRAY_") and not name.startswith(_TESTS) and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]}?" if near else "unset it, or see the README's table."
            raise UsageError(f"The environment's {name} is no setting; {meant}")


def _flag_layer(flags: Mapping[str, Any], here: Path) -> _Layer:
    where = {name: f"--{name.replace('_', '-')}" for name in flags}
    unknown = next((name for name in flags if name not in settings_by_name()), None)
    if unknown:
        raise UsageError(f"{where[unknown]} is no setting; see pdray --help.")
    values = {name: str(v) if isinstance(v, Path) else v for name, v in flags.items()}
    return _Layer(values, here, True, where)


def _apply(layer: _Layer, values: dict[str, Any]) -> None:
    known = settings_by_name()
    for name, value in layer.values.items():
        kind = known[name].about.kind
        try:
            parsed = kind.parse(value, layer.folder, text=layer.text)
        except ValueError as error:
            raise UsageError(f"{layer.where[name]} {error}.") from None
        values[name] = parsed
    # A key from a nearer origin counts, whichever of the two ways it came.
    if "qdrant_api_key" in layer.values:
        values.pop("qdrant_api_key_file", None)
    elif "qdrant_api_key_file" in layer.values:
        path, where = values["qdrant_api_key_file"], layer.where["qdrant_api_key_file"]
        values["qdrant_api_key"] = Secret(_read_secret(path, where))


def _read_secret(path: Path, where: str) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{where} names {path}, which can't be read as text.") from None
    if not text:
        raise UsageError(f"{where} names {path}, which is empty; write the secret into it.")
    return text


def _build(values: dict[str, Any], here: Path) -> Settings:
    tree: dict[str | None, dict[str, Any]] = {None: {}, **{section: {} for section in SECTIONS}}
    for name, value in values.items():
        setting = settings_by_name()[name]
        tree[setting.section][setting.field] = value
    top = tree[None]
    if "workspace" not in top:
        place = settings_by_name()["workspace"]
        top["workspace"] = place.about.kind.parse(place.default, here, text=True)
    top.setdefault("state_dir", default_state_dir(top["workspace"]))
    sections = {section: kind(**tree[section]) for section, kind in SECTIONS.items()}
    return Settings(**top, **sections)


def default_state_dir(workspace: str) -> Path:
    """Inside a local workspace; for a URL a folder of this user, named by the URL's hash."""
    if URL.match(workspace):
        name = hashlib.sha256(workspace.encode()).hexdigest()[:16]
        return Path(platformdirs.user_state_dir("pdray")) / name
    return Path(workspace) / "state"
