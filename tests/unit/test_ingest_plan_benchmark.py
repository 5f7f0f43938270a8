"""The planner's benchmark counts what it made up, and is measured in a process of its own."""

import json
from pathlib import Path

from typer.testing import CliRunner

from pdray.cli.app import app


def test_the_plan_is_measured_and_kept_with_its_machine(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    done = CliRunner().invoke(
        app,
        [
            "benchmark",
            "--parts",
            "plan",
            "--scale",
            "0.003",
            "--out",
            str(tmp_path / "out"),
            "--save",
            str(kept),
        ],
        catch_exceptions=False,
    )
    assert "plan" in done.stdout
    found = json.loads(kept.read_text("utf-8"))
    plan = found["results"]["plan"]
    counts = [plan[name] for name in ("images", "new", "changed", "vanished", "unchanged")]
    assert counts == [3000, 30, 30, 30, 2940]
    assert plan["parts"] == 6
    # What it costs is measured, not made up: the process holds an interpreter and Arrow at least.
    assert 50e6 < plan["peak_bytes"] < 1e9
    assert 0 < plan["cpu_seconds"] < 60
    assert found["machine"]["memory"] > 0
    assert found["versions"]["pyarrow"]
