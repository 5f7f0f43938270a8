"""What people ask of a run while it goes on: pause, resume, cancel.

Three threads meet here. A signal handler only sets a flag (it may have interrupted any lock's
holder); the recorder's thread turns flags and command files into a state and tells the listeners;
the run's own thread asks `check` at its safe points, and the stream has a gate before each unit.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from pdray.errors import RunCancelled

RUNNING, PAUSED, CANCELLING = "running", "paused", "cancelling"
_LOOK_SECONDS = 0.2

Listener = Callable[[str], None]


class Control:
    """The state that people want a run in. A cancelled run stays cancelled."""

    def __init__(self) -> None:
        self.interrupted = False
        self._state = RUNNING
        self._told = RUNNING
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []

    @property
    def state(self) -> str:
        """RUNNING, PAUSED or CANCELLING."""
        return CANCELLING if self.interrupted else self._state

    @property
    def cancelled(self) -> bool:
        """Whether the run is to end."""
        return self.state == CANCELLING

    def interrupt(self) -> None:
        """As cancel; safe in a signal handler."""
        self.interrupted = True

    def heed(self, command: str) -> None:
        """Takes a command: pause, resume or cancel. Others are for a newer version."""
        states = {"pause": PAUSED, "resume": RUNNING, "cancel": CANCELLING}
        if self._state != CANCELLING:
            self._state = states.get(command, self._state)
        if self._state != PAUSED:
            self._wake.set()
        else:
            self._wake.clear()

    def check(self) -> None:
        """Waits while the run is paused. Raises RunCancelled. For safe points of the run."""
        while self.state == PAUSED:
            self._wake.wait(_LOOK_SECONDS)
        if self.cancelled:
            raise RunCancelled("The run was cancelled.")

    def settle(self, *, remind: bool = False) -> bool:
        """Tells the listeners of a new state, or of this one again; whether it was new."""
        with self._lock:
            state = self.state
            new = state != self._told
            self._told = state
            if new or remind:
                for listener in self._listeners:
                    listener(state)
            return new

    @contextlib.contextmanager
    def told(self, listener: Listener) -> Iterator[None]:
        """Tells a listener the state now and, from another thread, each new one in the block."""
        with self._lock:
            self._listeners.append(listener)
            listener(self.state)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Puts back the handlers that a library replaces in the block, as Ray does on import."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
