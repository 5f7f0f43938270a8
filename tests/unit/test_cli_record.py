"""Benchmark files: what they say of themselves, and two of them side by side."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdray.cli import record
from pdray.cli.app import app
from pdray.cli.benchmark import median_run
from pdray.errors import UsageError

KEPT = Path(__file__).parents[2] / "benchmarks" / "2026-11-22-xeon-2-cores-no-amx.json"


def test_two_files_are_compared_figure_by_figure(tmp_path: Path) -> None:
    now = json.loads(KEPT.read_text("utf-8"))
    now["results"]["builtin"]["steady"] *= 2
    now["results"]["plan"] = {"seconds": 3.0, "layout": "units"}
    del now["results"]["loop12"]
    now["commit"] = "abc1234"
    after = tmp_path / "b.json"
    after.write_text(json.dumps(now), "utf-8")
    done = CliRunner().invoke(
        app, ["benchmark", "--compare", str(KEPT), str(after), "--json"], catch_exceptions=False
    )
    found = json.loads(done.stdout)
    ratios = {(row["part"], row["figure"]): row["ratio"] for row in found["figures"]}
    assert ratios["builtin", "steady"] == 2
    assert ratios["vit", "steady"] == 1
    assert ratios["plan", "seconds"] is None
    assert ratios["loop12", "loop"] is None
    assert ("plan", "layout") not in ratios
    assert (found["before"]["commit"], found["after"]["commit"]) == ("51b4370", "abc1234")
    assert found["same_machine"]


def test_another_machine_is_said_to_be_another(tmp_path: Path) -> None:
    now = json.loads(KEPT.read_text("utf-8"))
    now["machine"]["usable_cores"] = 64.0
    after = tmp_path / "b.json"
    after.write_text(json.dumps(now), "utf-8")
    shown = CliRunner().invoke(app, ["benchmark", "--compare", str(KEPT), str(after)]).stdout
    assert "The machines differ" in shown
    assert "51b4370" in shown
    assert "builtin" in shown
    same = CliRunner().invoke(app, ["benchmark", "--compare", str(KEPT), str(KEPT)]).stdout
    assert "differ" not in same


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": 1}'])
def test_what_is_no_benchmark_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"some\.json is no benchmark"):
        record.read(path)


def test_a_commit_with_changed_files_is_marked(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    assert record.commit(tmp_path) is None
    git("init")
    (tmp_path / "a").write_text("1", "utf-8")
    git("add", "a")
    git("commit", "-m", "a")
    clean = record.commit(tmp_path)
    (tmp_path / "a").write_text("2", "utf-8")
    assert clean
    assert record.commit(tmp_path) == f"{clean}+"


def test_of_repeats_the_median_is_kept_whole_beside_what_all_gave() -> None:
    repeats = [{"ratio": ratio, "steady": 100 * ratio} for ratio in (0.9, 0.7, 0.8, 0.75)]
    assert median_run(repeats[:1], "ratio") == {"ratio": 0.9, "steady": 90.0}
    assert median_run(repeats, "ratio") == {
        "ratio": 0.75,
        "steady": 75.0,
        "repeats": [0.9, 0.7, 0.8, 0.75],
    }
