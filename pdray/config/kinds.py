"""The kinds of values that a setting can have: how each is read from text and checked."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pdray.config.secret import Secret

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

_SWITCH = {"1": True, "true": True, "yes": True, "on": True}
_SWITCH |= {"0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    `words` completes "must be ..."; `read` turns text (environment, flags) into what TOML would
    hold and raises ValueError or KeyError; `accepts` judges such a value; `make` builds the setting
    from it and the folder that relative paths start from. The value of a `secret` is never shown.
    """

    words: str
    accepts: Callable[[Any], bool]
    read: Callable[[str], Any] = str
    make: Callable[[Any, Path], Any] = lambda value, _: value
    secret: bool = False

    def parse(self, value: object, folder: Path, *, text: bool) -> Any:
        """The setting's value. Raises ValueError with "must be ..., not ..."."""
        try:
            plain = self.read(value) if text and isinstance(value, str) else value
            if self.accepts(plain):
                return self.make(plain, folder)
        except (ValueError, KeyError):
            pass
        shown = "what was given" if self.secret else repr(value)
        # No cause is kept: it would show a secret in a traceback.
        raise ValueError(f"must be {self.words}, not {shown}") from None


def whole(least: int, most: int | None = None) -> Kind:
    """A whole number from `least` to `most`."""
    bound = f"from {least} to {most}" if most else f"of at least {least}"
    return Kind(
        f"a whole number {bound}",
        lambda v: type(v) is int and v >= least and (most is None or v <= most),
        int,
    )


def choice(*words: str) -> Kind:
    """One of a few words."""
    return Kind(f"one of {', '.join(words)}", lambda v: v in words)


def matching(pattern: str, words: str) -> Kind:
    """Text that matches a regular expression in full."""
    return Kind(words, lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None)


def _absolute(text: str, folder: Path) -> Path:
    return Path(os.path.normpath(folder / Path(text).expanduser()))


def _place(text: str, folder: Path) -> str:
    if text.startswith("file://"):
        text = unquote(text.removeprefix("file://"))
    return text.rstrip("/") if URL.match(text) else str(_absolute(text, folder))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_server(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s/@]+(/\S*)?", value) is not None


_REDIS = re.compile(
    r"rediss?://([^\s/@]*@)?(\[[0-9a-fA-F:]+\]|[^\s/@:\[\]]+)(:\d{1,5})?(/\d*)?(\?\S*)?|unix://\S+"
)
_DATABASE = re.compile(r"(postgresql://[^\s/]+/[^\s/?]+(\?\S*)?)|(sqlite:///[^\s?]+)")
TEXT = Kind("text that is not empty", _is_text)
SWITCH = Kind("true or false", lambda v: type(v) is bool, lambda text: _SWITCH[text.lower()])
SECONDS = Kind(
    "a number of seconds above 0",
    lambda v: type(v) in (int, float) and 0 < v < float("inf"),
    float,
    lambda value, _: float(value),
)
PATH = Kind("a path", _is_text, make=_absolute)
PLACE = Kind("a folder or a URL", _is_text, make=_place)
PRECISION = choice("auto", "fp32", "bf16", "fp16", "int8", "nf4")
SECRET = Kind("text that is not empty", _is_text, make=lambda v, _: Secret(v.strip()), secret=True)
REDIS = replace(
    SECRET,
    words="a URL like redis://host:6379/0",
    accepts=lambda v: isinstance(v, str) and _REDIS.fullmatch(v.strip()) is not None,
)

DATABASE = replace(
    SECRET,
    words="a URL like postgresql://user:password@host:5432/database or sqlite:////path/file.db",
    accepts=lambda v: isinstance(v, str) and _DATABASE.fullmatch(v.strip()) is not None,
)

# What was given may hold a password, so it is not shown; a key has its own setting.
SERVER = Kind("a URL like https://host:6333 without user and password", _is_server, secret=True)
