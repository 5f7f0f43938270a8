"""A benchmark's figures as they are kept: beside the machine, commit and versions they come from.

    {"date", "commit", "command", "versions", "machine", "load", "precision", "results"}

"load" is the system's load average of the minute before: what else the machine did. "results" are
{part: {figure: number}}.

A document without one of these (an older one, or one put together by hand) is read all the same.
"""

import datetime
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pdray.cli import doctor
from pdray.cli.output import console, table
from pdray.config import load
from pdray.errors import UsageError


def load_average() -> float | None:
    """Of the last minute; None where the system tells none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def document(
    command: str, out: Path, results: dict[str, Any], load_before: float | None
) -> dict[str, Any]:
    """Figures that were just measured here, as a document to keep."""
    found = doctor.examine(load({"workspace": str(out), "offline": True}))
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit(Path(__file__).parent),
        "command": command,
        "versions": {"python": found["python"]["version"], **found["packages"]},
        "machine": {**found["cpu"], "memory": found["memory"]["total"]},
        "load": load_before,
        "precision": found["precision"],
        "results": results,
    }


def commit(folder: Path) -> str | None:
    """The commit that a folder is at, with "+" where files differ from it; None outside of git."""
    try:
        told = [
            subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (("rev-parse", "--short=7", "HEAD"), ("status", "--porcelain", "-uno"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return told[0] + ("+" if told[1] else "")


def save(found: dict[str, Any], path: Path) -> None:
    """Writes a document. Raises UsageError where that can't be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}. Name another file.") from None


def read(path: Path) -> dict[str, Any]:
    """A document. Raises UsageError for what is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("results"), dict):
        raise UsageError(
            f"{path} is no benchmark's result. Name a file that `pdray benchmark --save` wrote."
        )
    return found


def compare(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Two documents figure by figure: {"before", "after": where from, "same_machine", "figures"}.

    Each figure is {"part", "figure", "before", "after", "ratio"}, the ratio after / before; None
    where there is none.
    """
    left, right = dict(_figures(before["results"])), dict(_figures(after["results"]))
    rows = [
        {
            "part": key[0],
            "figure": key[1],
            "before": left.get(key),
            "after": right.get(key),
            "ratio": right[key] / left[key] if left.get(key) and key in right else None,
        }
        for key in [*left, *(key for key in right if key not in left)]
    ]
    told = [_origin(before), _origin(after)]
    same = all(told[0][key] == told[1][key] for key in ("model", "usable_cores", "flags"))
    return {"before": told[0], "after": told[1], "same_machine": same, "figures": rows}


def _figures(results: dict[str, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    """Numbers by (part, name). Lists are the repeats behind a figure and are left out."""
    for part, found in results.items():
        for name, value in _numbers("", found):
            yield (part, name), value


def _numbers(name: str, found: Any) -> Iterator[tuple[str, float]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _numbers(f"{name}.{key}" if name else key, value)
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield name, found


def _origin(found: dict[str, Any]) -> dict[str, Any]:
    machine = found.get("machine") or {}
    words = ("model", "usable_cores", "flags", "memory")
    told = {key: found.get(key) for key in ("date", "commit", "load", "versions")}
    return told | {key: machine.get(key) for key in words}


def show(found: dict[str, Any]) -> None:
    """A comparison as two tables."""
    rows = table("", "date", "commit", "machine", ">cores", "features", ">memory", ">load")
    for name in ("before", "after"):
        told = found[name]
        memory = f"{told['memory'] / 2**30:.1f} GiB" if told["memory"] else "?"
        cores = f"{told['usable_cores']:g}" if told["usable_cores"] else "?"
        flags = " ".join(told["flags"] or [])
        rows.add_row(
            name, told["date"] or "?", told["commit"] or "?", told["model"] or "?", cores, flags,
            memory, "?" if told["load"] is None else f"{told['load']:.1f}",
        )  # fmt: skip
    console.print(rows)
    if not found["same_machine"]:
        console.print("The machines differ: only figures that are ratios themselves carry over.")
    rows = table("part", "figure", ">before", ">after", ">after/before")
    for row in found["figures"]:
        numbers = (_number(row["before"]), _number(row["after"]))
        ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
        rows.add_row(row["part"], row["figure"], *numbers, ratio)
    console.print(rows)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.3g}"
        if value < 100
        else f"{value:,.0f}"
    )
