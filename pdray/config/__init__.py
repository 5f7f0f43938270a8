"""One frozen settings tree: file < environment < flags."""

from pdray.config.loading import environment_of, load
from pdray.config.secret import Secret
from pdray.config.settings import (
    DEFAULT_CAPTIONER,
    DEFAULT_MODEL,
    CaptionSettings,
    IngestSettings,
    QdrantSettings,
    Row,
    Settings,
    SourceSettings,
    describe,
    settings_by_name,
)

__all__ = [
    "DEFAULT_CAPTIONER",
    "DEFAULT_MODEL",
    "CaptionSettings",
    "IngestSettings",
    "QdrantSettings",
    "Row",
    "Secret",
    "Settings",
    "SourceSettings",
    "describe",
    "environment_of",
    "load",
    "settings_by_name",
]
