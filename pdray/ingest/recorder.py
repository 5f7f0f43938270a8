"""The thread beside a run that publishes its progress and picks up what people ask of it.

Progress is one small object, overwritten. Numbered objects would have to be listed to find the
newest and deleted again, 1,800 an hour; overwriting every five seconds keeps far from the one write
a second that the strictest object store allows a name. A reader sees the old or the new one.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType

from pdray import log, tracing
from pdray.catalog import runs
from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.errors import CatalogError, PdrayError
from pdray.ingest import metering
from pdray.ingest.control import PAUSED, Control
from pdray.ingest.report import Report
from pdray.ingest.tally import Tally
from pdray.metrics import Figure

_log = log.get("ingest")
_TICK = 0.25  # seconds
# Seconds between two looks for commands, and between two publications: a folder, an object store.
_LOCAL = (1.0, 2.0)
_REMOTE = (2.0, 5.0)


class Recorder:
    """Publishes and polls in a thread for the block. Storage that fails is tried again."""

    def __init__(self, catalog: Catalog, run_id: str, tally: Tally, control: Control) -> None:
        self.catalog, self.run_id, self.tally, self.control = catalog, run_id, tally, control
        local = catalog.store.filesystem()[0] is None
        self.poll_every, self.publish_every = _LOCAL if local else _REMOTE
        self.heeded = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="pdray-recorder")

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        before = polled = published = time.monotonic()
        self._publish()
        while not self._stop.wait(_TICK):
            now = time.monotonic()
            self.tally.passed(now - before, paused=self.control.state == PAUSED)
            before = now
            looks = now - polled >= self.poll_every
            if looks:
                polled = now
                self._poll()
            new = self.control.settle(remind=looks)
            if new or now - published >= self.publish_every:
                published = now
                self._publish()

    def _poll(self) -> None:
        with contextlib.suppress(OSError):
            for number, command in runs.asked(self.catalog, self.run_id, self.heeded):
                self.control.heed(command)
                self.heeded = number

    def _publish(self) -> None:
        with contextlib.suppress(OSError):
            document = {**self.tally.snapshot(self.control.state), "heeded": self.heeded}
            runs.publish(self.catalog, self.run_id, document)


@contextlib.contextmanager
def recorded(
    settings: Settings, catalog: Catalog, report: Report, tally: Tally, control: Control
) -> Iterator[None]:
    """Records a run while the block goes on, and how it ended; tells Prometheus and the log of it
    where the settings say so.
    """

    def look() -> list[Figure]:
        return metering.figures(report, tally.snapshot(control.state))

    with ExitStack() as stack:
        stack.enter_context(log.written(settings.ingest.log_file))
        stack.callback(tracing.flush)
        stack.enter_context(_kept(catalog, report, tally, control))
        doubts = [
            stack.enter_context(metering.told(settings.ingest.metrics, look)),
            tracing.configure(settings.traces, "pdray ingest"),
        ]
        report.notes += [doubt for doubt in doubts if doubt]
        with tracing.span(
            "run", run_id=report.run_id, collection=report.collection, model=report.model
        ) as span:
            yield
            span.say(state=report.state, images_read=report.read)


@contextlib.contextmanager
def _kept(catalog: Catalog, report: Report, tally: Tally, control: Control) -> Iterator[None]:
    sentence = None
    said = {"run_id": report.run_id, "collection": report.collection}
    _log.info("run begins", extra=log.fields(**said, model=report.model))
    try:
        with Recorder(catalog, report.run_id, tally, control):
            yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        report.state = "cancelled" if stopped else "failed"
        sentence = "It was stopped at once." if stopped else _said(error)
        raise
    finally:
        seen = tally.snapshot(report.state)
        kept = ("folders", "failure_kinds", "failures", "paused_seconds")
        more = {name: seen[name] for name in kept}
        # What ended the run is said before that its end can't be recorded: often it is the cause.
        with contextlib.suppress(*(() if sentence is None else (CatalogError,))):
            runs.end(catalog, report.run_id, {**report.to_json(), **more, "error": sentence})
        _log.info("run ended", extra=log.fields(**report.to_json(), error=sentence))


def _said(error: BaseException) -> str:
    if isinstance(error, PdrayError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
