"""The process that owns a workspace's embedded indexes: it answers the replicas that share them,
and brings in what runs commit.

Qdrant Edge keeps Python's lock through every call, so it has a process of its own: beside a text
tower each would wait for the other.
"""

import sys
import threading
from collections import Counter
from collections.abc import Sequence

from pdray import log
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import IndexUnavailable, PdrayError
from pdray.index.protocol import Index
from pdray.index.target import IndexTarget
from pdray.records import ModelSpec
from pdray.serve import metrics
from pdray.serve.held import Held, models
from pdray.serve.meeting import place
from pdray.serve.shared import VERSION, offer
from pdray.serve.succession import Succession
from pdray.serve.version import Version
from pdray.serve.wire import Listener

FOLLOW_SECONDS = 1.0
_SWITCH_SECONDS = 0.0005  # a query waits no longer for a thread that projects; 0.005 by default


class Owner:
    """Opens, follows and answers from its construction on, until it is closed."""

    def __init__(self, settings: Settings, target: IndexTarget) -> None:
        self._settings = settings
        folder = place(target)
        self._held = Held(target, Version(folder / VERSION))
        self._succession = Succession()
        self._specs: dict[str, ModelSpec] = {}  # by space: those that may be asked for
        self._why: str | None = "The server is starting."
        self._catalog: Catalog | None = None
        self._ending = threading.Event()
        self._turn = threading.Lock()
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._folder = folder
        self._listener: Listener | None = None
        self.refresh()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Sees what is new now."""
        with self._turn:
            try:
                if self._catalog is None:
                    self._catalog = Catalog.open(self._settings.workspace, absent=True)
                pointed = models(self._catalog)
                self._specs |= {spec.space: spec for spec in pointed.values()}
                besides = self._succession.held.values()
                self._why = self._held.refresh(self._catalog, pointed, besides)
                self._succession.follow(pointed, self._held.opened)
                pointed_at = {spec.space: spec for spec in pointed.values()}
                self._specs = self._succession.held | pointed_at
                if self._held.owns and self._listener is None:
                    # Where another server owns them, its owner answers our replicas too.
                    metrics.clear(self._folder)
                    self._listener = offer(self._folder, self._index, self._state)
            except (PdrayError, OSError) as error:
                self._why = str(error)
                log.get("serve").warning("%s", error)

    @property
    def following(self) -> bool:
        """Whether the thread that follows lives."""
        return self._thread.is_alive()

    def _follow(self) -> None:
        while not self._ending.is_set():
            self.refresh()
            self._ending.wait(FOLLOW_SECONDS)

    def _index(self, space: str) -> Index:
        spec = self._specs.get(space)
        if spec is None:
            raise IndexUnavailable(self._why or "The index is being opened.")
        return self._held.index(spec)

    def _state(self, known: Sequence[str]) -> tuple[str | None, Counter[str]]:
        """A replica may have seen a collection first: then it hears that it isn't open yet."""
        new = set(known) - self._succession.serving.keys()
        why = self._why or ("The index is being opened." if new else None)
        return why, self._held.changes

    def close(self) -> None:
        """Lets the indexes go. Closing twice is fine."""
        self._ending.set()
        self._thread.join()
        if self._listener:
            self._listener.close()
        self._held.close()
