"""The settings by name: as flags and environment go by, and as the README lists them."""

from collections.abc import Iterable
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from pdray.config.kinds import DATABASE, REDIS, SECRET
from pdray.config.settings import SECTIONS, About, Settings


class Setting(NamedTuple):
    """One leaf of the tree. `section` is None at the top."""

    section: str | None
    field: str
    about: About
    default: Any

    @property
    def key(self) -> str:
        """As the file names it: "collection", "qdrant.url"."""
        return f"{self.section}.{self.field}" if self.section else self.field


class Row(NamedTuple):
    """One line of the settings table."""

    key: str
    environment: str
    default: str
    values: str
    description: str


@cache
def settings_by_name() -> dict[str, Setting]:
    """Every setting by its flat name ("qdrant_url"), which flags and environment go by."""
    found = {
        f.name: _setting(None, Settings, f) for f in fields(Settings) if f.name not in SECTIONS
    }
    for section, kind in SECTIONS.items():
        found |= {f"{section}_{f.name}": _setting(section, kind, f) for f in fields(kind)}
    return found


def secrets_among(names: Iterable[str]) -> list[str]:
    """Those of the settings, by flat name, whose values nobody may see."""
    return [
        name for name in names if settings_by_name()[name].about.kind in (SECRET, REDIS, DATABASE)
    ]


def _setting(section: str | None, kind: type[Any], leaf: Field[Any]) -> Setting:
    about = get_type_hints(kind, include_extras=True)[leaf.name].__metadata__[0]
    default = None if leaf.default is MISSING else leaf.default
    return Setting(section, leaf.name, about, default)


def describe() -> list[Row]:
    """The settings table, in the order of the tree."""
    return [
        Row(
            setting.key,
            f"PDRAY_{name.upper()}",
            setting.about.default or _in_words(setting.default),
            setting.about.kind.words,
            setting.about.description,
        )
        for name, setting in settings_by_name().items()
    ]


def _in_words(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
