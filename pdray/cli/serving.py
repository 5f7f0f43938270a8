"""`pdray serve`: the HTTP API and its page."""

import signal
import socket
import threading
from typing import Any

from pdray.cli.output import print_json, stderr
from pdray.config import Settings, load
from pdray.errors import UsageError


def run_serve(flags: dict[str, Any], as_json: bool) -> None:
    """The command."""
    settings = load(flags)
    _check_port(settings)
    from pdray.serve import gate

    gate.check(settings)
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())

    def ready(url: str) -> None:
        if why := ready_or_not(url, ending):
            stderr.print(f"[yellow]Note:[/] not ready yet: {why}", markup=True)
        if as_json:
            print_json({"url": url})
        else:
            stderr.print(
                f"Search at [bold]{url}[/] (API: {url}/docs). Ctrl-C ends it.", soft_wrap=True
            )

    stderr.print("Starting ...")
    from pdray.serve.compose import run
    from pdray.serve.waiting import ready_or_not

    run(settings, ready, ending)


def _check_port(settings: Settings) -> None:
    """Before Ray starts, so that nobody waits for what can't be."""
    host, port = settings.serve.host, settings.serve.port
    try:
        kind, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UsageError(
            f"Can't answer at {host}:{port} ({error.strerror}): end what runs there, or name "
            "another with --port."
        ) from error
