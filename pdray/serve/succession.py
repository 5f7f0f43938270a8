"""Which model answers for each collection, while another takes over under running queries."""

import time
from collections.abc import Callable, Mapping

from pdray.records import ModelSpec

# Who pages through the answer of the model before, or asks a replica that has not seen the change
# yet, is answered by that model for so long.
GRACE_SECONDS = 120.0


class Succession:
    """`serving` follows what the catalog points to, a collection at a time and only once the new
    model can answer; a collection that had none is there at once. What it followed stays among
    `held` for a while.
    """

    def __init__(
        self, grace: float = GRACE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace, self._clock = grace, clock
        self.serving: dict[str, ModelSpec] = {}
        self._before: dict[str, tuple[ModelSpec, float]] = {}  # by collection, and until when

    def follow(
        self, pointed: Mapping[str, ModelSpec], able: Callable[[ModelSpec], bool]
    ) -> dict[str, ModelSpec]:
        """Takes up where the catalog points to; `able` says whether a model can answer by now."""
        now = self._clock()
        found = {}
        for name, spec in pointed.items():
            old = self.serving.get(name)
            if old is not None and old.space != spec.space:
                if not able(spec):
                    found[name] = old
                    continue
                self._before[name] = (old, now + self._grace)
            found[name] = spec
        self._before = {
            name: one for name, one in self._before.items() if name in found and one[1] > now
        }
        self.serving = found
        return found

    def before(self, collection: str) -> ModelSpec | None:
        """The model that served a collection until a moment ago."""
        found = self._before.get(collection)
        return found[0] if found else None

    @property
    def held(self) -> dict[str, ModelSpec]:
        """All that may still be asked, by space."""
        specs = [*self.serving.values(), *(spec for spec, _ in self._before.values())]
        return {spec.space: spec for spec in specs}
