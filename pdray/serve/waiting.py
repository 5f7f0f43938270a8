"""Waiting until a server can answer everything."""

import threading
import time
import urllib.error
import urllib.request

_PATIENCE = 60.0


def ready_or_not(url: str, ending: threading.Event | None = None) -> str | None:
    """Waits until the indexes are open and the models loaded; a sentence where that takes so long
    that it may be in vain, or where `ending` is set.
    """
    end, said = time.monotonic() + _PATIENCE, "The server is starting."
    ending = ending or threading.Event()
    while time.monotonic() < end and not ending.is_set():
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=10):
                return None
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")
        except OSError as error:
            said = str(error)
        ending.wait(0.1)
    return said
