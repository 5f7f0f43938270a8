"""What `ray job submit` runs: options, one call, an exit code. Each file of jobs/ is one."""

from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any

from pdray.cli.entry import plainly
from pdray.config import secrets_among, settings_by_name
from pdray.errors import UsageError

Flags = dict[str, Any]


class Job:
    """A parser that knows every setting by its flat name (--workspace, --qdrant-url), except the
    secrets: the dashboard shows whatever a command line says.
    """

    def __init__(self, words: str) -> None:
        self._parser = ArgumentParser(
            description=words, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
        )
        self._parser.add_argument("--json", action="store_true", help="A JSON document at the end.")
        settings = self._parser.add_argument_group("settings", "All of them: see the README.")
        hidden = secrets_among(settings_by_name())
        for name, setting in settings_by_name().items():
            option = f"--{name.replace('_', '-')}"
            words = SUPPRESS if name in hidden else setting.about.description.replace("%", "%%")
            settings.add_argument(option, dest=f"setting_{name}", metavar="X", help=words)

    def takes(self, *names: str, **options: Any) -> "Job":
        """One more argument, as argparse has them."""
        self._parser.add_argument(*names, **options)
        return self

    def run(self, work: Callable[[Flags, Namespace], None]) -> None:
        """Calls the work with the settings that were given and all that was said beside them. Ends
        the program where that fails: 1 it could not, 2 wrong usage.
        """
        places = [one.metavar for one in self._parser._positionals._group_actions if one.metavar]
        self._parser.usage = " ".join(["%(prog)s", "[options]", *map(str, places)])
        with plainly():
            said = self._parser.parse_args()
            given = {
                name: value
                for name in settings_by_name()
                if (value := getattr(said, f"setting_{name}")) is not None
            }
            _refuse_secrets(given)
            work(given, said)


def _refuse_secrets(given: Flags) -> None:
    for name in secrets_among(given):
        raise UsageError(
            f"A job's command line is for all to see: leave --{name.replace('_', '-')} out and "
            f"set PDRAY_{name.upper()} on the nodes, where Ray is started."
        )
