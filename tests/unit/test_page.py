"""The page's own files: languages, and what it shares with the rest of pdray."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pdray.config import load
from pdray.ingest.target import index_target
from pdray.search.language import FIELDS, PRESENCE
from pdray.serve.app import build_app
from pdray.serve.engine import Engine

ROOT = Path(__file__).parents[2]
UI = ROOT / "pdray" / "ui"
LANGUAGES = {path.stem: path for path in sorted((UI / "src" / "i18n").glob("*.json"))}


def said(language: str) -> dict[str, str]:
    """Sentences by their dotted keys."""

    def flat(node: dict[str, Any], before: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in node.items():
            inner = flat(value, f"{before}{key}.") if isinstance(value, dict) else None
            found |= inner if inner is not None else {before + key: value}
        return found

    return flat(json.loads(LANGUAGES[language].read_text("utf-8")), "")


def test_every_language_says_everything_that_english_says() -> None:
    english = said("en")
    assert len(LANGUAGES) > 1
    for language in LANGUAGES:
        other = said(language)
        assert other.keys() == english.keys(), language
        for key, text in english.items():
            assert other[key].strip(), (language, key)
            holes = re.findall(r"\{\{.*?\}\}", text)
            assert sorted(re.findall(r"\{\{.*?\}\}", other[key])) == sorted(holes), (language, key)


def test_the_page_explains_every_field_that_people_type() -> None:
    explained = {key.removeprefix("field.") for key in said("en") if key.startswith("field.")}
    assert explained == set(FIELDS)
    present = {key.removeprefix("has.") for key in said("en") if key.startswith("has.")}
    assert present == set(PRESENCE)
    tokens = (UI / "src" / "query" / "tokens.ts").read_text("utf-8")
    listed = re.search(r"PRESENCE = \[(.*?)\]", tokens)
    assert listed
    assert re.findall(r'"(\w+)"', listed[1]) == list(PRESENCE)


def test_the_pages_types_are_those_of_the_api(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "building"), *sys.path])
    import api_types

    api_types.write(tmp_path / "schema.d.ts")
    current = (tmp_path / "schema.d.ts").read_text("utf-8")
    assert current == api_types.TYPES.read_text("utf-8"), "The API changed: run make types."


def test_the_page_may_load_and_ask_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    settings = load({"workspace": str(tmp_path / "w")}, environ={})
    app = build_app(Engine(settings, index_target(settings)), tmp_path)
    client = TestClient(app, base_url="http://127.0.0.1")
    policy = client.get("/runs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy
