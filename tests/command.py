"""The command line as a user has it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forking import forking, joined

LIMIT = 240.0  # seconds until a command has to have ended


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that --json promises."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """What the command complained of: one line, whatever else progress wrote."""
        said = [line for line in self.err.splitlines() if line.startswith("pdray: ")]
        assert len(said) == 1, self.err
        return said[0].removeprefix("pdray: ")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would steer pdray or Ray, and with `more`."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("PDRAY_", "RAY"))
    }
    return {**kept, **more}


def words(*arguments: object) -> list[str]:
    """The words that start pdray with this interpreter."""
    return [sys.executable, "-m", "pdray", *map(str, arguments)]


def started(arguments: Sequence[object], environ: dict[str, str], cwd: Path | None = None) -> Done:
    """`pdray ARGUMENTS` from a fresh interpreter, to its end."""
    ended = subprocess.run(
        words(*arguments),
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Done(ended.returncode, ended.stdout, ended.stderr)


def forked(arguments: Sequence[object], environ: dict[str, str], cwd: Path | None = None) -> Done:
    """The same in a process that has everything imported: for what is not about imports."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        call = ([str(argument) for argument in arguments], environ, cwd, out, err)
        process = forking().Process(target=_child, args=call)
        process.start()
        code = joined(process, LIMIT)
        return Done(code, out.read_text("utf-8"), err.read_text("utf-8"))


def _child(
    arguments: list[str], environ: dict[str, str], cwd: Path | None, out: Path, err: Path
) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ.clear()
    os.environ.update(environ)
    if cwd is not None:
        os.chdir(cwd)
    sys.argv = ["pdray", *arguments]
    from pdray.cli import main

    main()
