"""`pdray serve`: the HTTP API and its page."""

import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from pdray.cli.output import print_json, stderr
from pdray.config import Settings, load
from pdray.errors import UsageError


def run_serve(flags: dict[str, Any], as_json: bool) -> None:
    """The command."""
    settings = load(flags)
    _check_port(settings)

    def ready(url: str, _: threading.Event) -> None:
        if as_json:
            print_json({"url": url})
        else:
            stderr.print(
                f"Search at [bold]{url}[/] (API: {url}/docs). Ctrl-C ends it.", soft_wrap=True
            )

    serve(settings, ready)


def serve(settings: Settings, ready: Callable[[str, threading.Event], None]) -> None:
    """Serves until Ctrl-C or SIGTERM, which set the event that `ready` gets with the URL."""
    from pdray.serve import gate

    gate.check(settings)
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())

    def told(url: str) -> None:
        if why := ready_or_not(url, ending):
            stderr.print(f"[yellow]Note:[/] not ready yet: {why}", markup=True)
        ready(url, ending)

    stderr.print("Starting ...")
    from pdray.serve.compose import run
    from pdray.serve.waiting import ready_or_not

    run(settings, told, ending)


def free_port(settings: Settings) -> int:
    """The port of the settings, or any that is free where something runs there."""
    try:
        _check_port(settings)
    except UsageError:
        with socket.create_server((settings.serve.host, 0)) as probe:
            return int(probe.getsockname()[1])
    return settings.serve.port


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
