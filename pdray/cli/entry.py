"""Where programs start: errors become one sentence and an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from pdray import log
from pdray.cli.app import app
from pdray.cli.fetching import Lines
from pdray.errors import PdrayError, UsageError
from pdray.models import hub


def main() -> None:
    """The entry point of the command line."""
    with plainly():
        app(prog_name="pdray")


@contextmanager
def plainly() -> Iterator[None]:
    """One sentence for an error of the block, which ends the program; a traceback with --debug,
    which it takes out of the program's arguments.
    """
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    log.configure(verbose=debug)
    try:
        with hub.watched(Lines()):
            yield
    except typer.Exit as ended:  # where no Typer application is around
        sys.exit(ended.exit_code)
    except PdrayError as error:
        if debug:
            raise
        _fail(str(error), 2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.stderr.close()  # `pdray ... | head` is no error
        sys.exit(1)
    except (OSError, MemoryError) as error:
        if debug:
            raise
        _fail(f"The machine refused: {_reason(error)}. Add --debug for the details.", 1)
    except Exception as error:
        # The last line of defence: a person gets a sentence even for a fault of ours.
        if debug:
            raise
        said = " ".join(str(error).split())[:300]
        _fail(
            f"A fault in pdray, {type(error).__name__}: {said}. Nothing committed is lost; "
            "add --debug for the details to report.",
            1,
        )


def _reason(error: Any) -> str:
    name = f" ({error.filename})" if getattr(error, "filename", None) else ""
    return f"{getattr(error, 'strerror', None) or error or 'out of memory'}{name}"


def _fail(sentence: str, code: int) -> None:
    sys.stderr.write(f"pdray: {sentence}\n")
    sys.exit(code)
