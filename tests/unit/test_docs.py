"""The README against the code: every command and every setting, nothing that does not exist."""

import re
from pathlib import Path

import typer.main

from pdray.cli.app import app
from pdray.config import describe

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def _commands() -> set[str]:
    group = typer.main.get_command(app)
    found: set[str] = set()
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        found |= {f"{name} {inner}" for inner in below or ()}
        if not below or command.invoke_without_command:
            found.add(name)
    return found


def test_the_readme_names_every_command_and_no_other() -> None:
    named = re.findall(r"(?:`|bin/)pdray ((?:(?:models|runs|eval) )?[a-z][a-z-]+)", README)
    assert set(named) == _commands()


def test_the_readme_lists_every_setting_as_the_code_describes_it() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `") and "PDRAY_" in line]
    assert rows == [settings_row(*row) for row in describe()]


def settings_row(key: str, environment: str, default: str, values: str, words: str) -> str:
    return f"| `{key}` | `{environment}` | {default} | {words} |"


def test_every_option_in_the_readme_exists() -> None:
    group = typer.main.get_command(app)
    options = {"--debug", "--help"}
    pending = list(group.commands.values())  # type: ignore[attr-defined]
    while pending:
        command = pending.pop()
        pending += getattr(command, "commands", {}).values()
        options |= {option for p in command.params for option in getattr(p, "opts", [])}
    assert set(re.findall(r"--[a-z][a-z-]+", README)) <= options


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_links_in_the_documents_lead_somewhere() -> None:
    names = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
    for path in (*(ROOT / name for name in names), *(ROOT / "cluster").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
            assert "://" in link or (path.parent / link).exists(), f"{path} links to {link}"


def test_what_operators_files_set_is_a_setting() -> None:
    """A name that is none would end every command in words, on the first day in production."""
    known = {row.environment for row in describe()} | {"PDRAY_CONFIG"}
    known |= {f"{name}_FILE" for name in known}
    places = ("jobs", "serve_configs", "cluster", ".github")
    files = [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    assert files
    for path in files:
        if (
            path.suffix in (".md", ".yaml", ".yml", ".tpl", ".env", ".py", "")
            or "Docker" in path.name
        ):
            for name in re.findall(r"\bPDRAY_[A-Z0-9_]+\b", path.read_text("utf-8")):
                assert name in known or name.startswith("PDRAY_TEST_"), f"{path} names {name}"


def test_every_job_is_short_and_listed() -> None:
    jobs = sorted((ROOT / "jobs").glob("*.py"))
    assert len(jobs) >= 6
    page = (ROOT / "cluster" / "jobs.md").read_text("utf-8")
    for job in jobs:
        assert len(job.read_text("utf-8").splitlines()) <= 40, job
        assert f"`jobs/{job.name}`" in page


def test_files_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    for path in re.findall(r"`((?:[a-z]+/)+[a-z_]+\.py)`", text):
        assert (ROOT / "pdray" / path).exists(), path
