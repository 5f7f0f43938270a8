"""`pdray index --watch`: each run is a process of its own, so that the one that watches stays small
whatever Ray and the models leave behind.
"""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import typer
from rich.markup import escape

from pdray.cli.indexing import loaded, show
from pdray.cli.interrupt import interruptible
from pdray.cli.output import console, stderr
from pdray.ingest.control import Control
from pdray.ingest.current import Options
from pdray.ingest.report import Report
from pdray.ingest.watching import Watch, check

_TICK = 0.25
_PATIENCE = 10.0  # seconds that a run has to end at once
_WRONG_USAGE = 2


def run_watch(
    flags: dict[str, Any], sources: list[str], asked: dict[str, Any], as_json: bool
) -> None:
    """The command; `asked` are the fields of Options."""
    options = Options(**asked)
    check(options)
    settings = loaded(flags)
    with interruptible(quiet=True) as control:
        runs = _Runs(flags, sources, asked, as_json, control)
        Watch(settings, sources, options, runs, _say, control).forever()


def _say(sentence: str) -> None:
    stderr.print(f"[dim]{time.strftime('%H:%M:%S')}[/]  {escape(sentence)}", soft_wrap=True)


class _Runs:
    """Starts `pdray index` and shows its report. --full and --retry-failed are for the first."""

    def __init__(
        self,
        flags: dict[str, Any],
        sources: list[str],
        asked: dict[str, Any],
        as_json: bool,
        control: Control,
    ) -> None:
        self.flags, self.sources, self.asked = flags, sources, asked
        self.as_json, self.control = as_json, control
        self.first = True

    def __call__(self) -> Report | None:
        code, out = self._call()
        report = Report(**known(json.loads(out))) if out.strip() else None
        if code == _WRONG_USAGE or (self.first and report is None and not self.control.interrupted):
            raise typer.Exit(code or 1)
        self.first = False
        if report is not None and self.as_json:
            sys.stdout.write(json.dumps(json.loads(out), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        elif report is not None:
            console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]", end="  ")
            show(report)
        return report

    def _call(self) -> tuple[int, str]:
        # A session of its own: a terminal's Ctrl-C comes to this process alone, which passes it on.
        child = subprocess.Popen(
            [sys.executable, "-m", "pdray", *self._words()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        asked = False
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    out, _ = child.communicate(timeout=_TICK)
                    return child.returncode, out
                if self.control.interrupted and not asked:
                    asked = True
                    child.send_signal(signal.SIGINT)
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_PATIENCE)
            raise
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()

    def _words(self) -> list[str]:
        kept = ("workspace", "collection", "model", "config")
        given = [(name, self.flags[name]) for name in kept if self.flags.get(name) is not None]
        given += [(name, glob) for name in ("include", "exclude") for glob in self.asked[name]]
        words = ["index", "--json", *(f"--{name}={value}" for name, value in given)]
        once = ("full", "retry_failed") if self.first else ()
        switches = [name for name in ("allow_deletes", *once) if self.asked[name]]
        words += [f"--{name.replace('_', '-')}" for name in switches]
        return [*words, "--", *self.sources]


def known(document: dict[str, Any]) -> dict[str, Any]:
    """Those of a report's fields that this version has."""
    fields = asdict(Report("", "", ""))
    return {name: value for name, value in document.items() if name in fields}
