"""--precision reaches the settings of every command that loads a model; a captioner has its own."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdray.catalog.catalog import Catalog
from pdray.cli.app import app
from pdray.config import load
from pdray.errors import PdrayError
from pdray.ingest.stages import Job, build_describer
from pdray.models.captioners import resolve_captioner
from pdray.models.resolve import resolve

COMMANDS = ["index x", "plan x", "caption", "search x", "serve", "models switch builtin"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_precision_that_there_is_not_is_refused_by_name(command: str, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    words = [str(tmp_path / "x") if word == "x" else word for word in command.split()]
    asked = [*words, "-w", str(tmp_path / "w"), "--precision", "fp7"]
    ended = CliRunner().invoke(app, asked)
    assert isinstance(ended.exception, PdrayError)
    assert "precision" in str(ended.exception)
    assert "fp7" in str(ended.exception)


def test_a_captioner_has_numbers_of_its_own(tmp_path: Path) -> None:
    settings = load({"captions_precision": "fp32", "precision": "bf16", "workspace": str(tmp_path)})
    assert (settings.captions.precision, settings.precision) == ("fp32", "bf16")
    catalog = Catalog.open(str(tmp_path / "w"), create=True)
    job = Job(
        catalog, "default", "r", resolve("builtin", offline=True), (), resolve_captioner("builtin"),
        device="cpu", precision="bf16", captions_precision="fp32",
    )  # fmt: skip
    assert build_describer(job).precision.precision == "fp32"  # type: ignore[attr-defined]
    other = build_describer(replace(job, captions_precision="bf16"))
    assert other.precision.precision == "bf16"  # type: ignore[attr-defined]
