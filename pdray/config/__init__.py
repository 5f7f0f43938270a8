"""One frozen settings tree: file < environment < flags."""

from pdray.config.listing import Row, describe, secrets_among, settings_by_name
from pdray.config.loading import environment_of, load
from pdray.config.secret import Secret
from pdray.config.settings import (
    DEFAULT_CAPTIONER,
    DEFAULT_MODEL,
    CaptionSettings,
    IngestSettings,
    LibrarySettings,
    QdrantSettings,
    Settings,
    SourceSettings,
)

__all__ = [
    "DEFAULT_CAPTIONER",
    "DEFAULT_MODEL",
    "CaptionSettings",
    "IngestSettings",
    "LibrarySettings",
    "QdrantSettings",
    "Row",
    "Secret",
    "Settings",
    "SourceSettings",
    "describe",
    "environment_of",
    "load",
    "secrets_among",
    "settings_by_name",
]
