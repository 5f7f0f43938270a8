"""How pip builds pdray: as setuptools does, with the page built before it goes into a wheel."""

import sys
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

sys.path.insert(0, str(Path(__file__).parent))
import page

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def get_requires_for_build_wheel(config_settings=None):
    """What setuptools asks for, and Node where the machine has none."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *page.requires()]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """A wheel with the page in it."""
    page.build()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
