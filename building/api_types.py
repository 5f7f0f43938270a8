"""Writes the types of the API for the page, from the document that the API makes of itself:
`python building/api_types.py`. A test tells when that has to be done.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import page

from pdray.config import load
from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine

TYPES = page.UI / "src" / "api" / "schema.d.ts"


def write(path: Path) -> None:
    """Writes them to `path`. Nothing is opened or served for it."""
    settings = load({}, environ={})
    document = build_app(Engine(settings, index_target(settings))).openapi()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "openapi.json"
        file.write_text(json.dumps(document), "utf-8")
        page.npm("exec", "--offline", "openapi-typescript", "--", str(file), "-o", str(path))


if __name__ == "__main__":
    write(TYPES)
