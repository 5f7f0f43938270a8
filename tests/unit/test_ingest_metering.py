"""A run's figures for Prometheus, and where they are told."""

import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from pdray import metrics
from pdray.ingest.metering import figures, told
from pdray.ingest.report import Progress, Report
from pdray.ingest.tally import Outcome, Tally
from pdray.metrics import Counter
from tests.ports import free_port


def _rendered() -> str:
    report = Report("1", "c", "m", indexed=7, failed=2, embedded=5, reused=2, read=9, rework=3)
    report.stages = {"decode": 1.5}
    report.bytes_read, report.gpu_bytes, report.index_retries = 10**12 + 1, 4, 6
    tally = Tally(report)
    tally.waiting = 2
    tally.show(Progress("indexing", 9, 2, 20))
    tally.add(Outcome({}, {"broken": 2}))
    found = figures(report, tally.snapshot("paused"))
    return metrics.render(found, [metrics.samples(found)])


def test_the_figures_are_those_of_report_and_progress() -> None:
    lines = _rendered().splitlines()
    for line in (
        'pdray_ingest_images_total{outcome="indexed"} 7',
        'pdray_ingest_images_total{outcome="failed"} 2',
        'pdray_ingest_contents_total{work="reused"} 2',
        'pdray_ingest_failures_total{kind="broken"} 2',
        'pdray_ingest_stage_seconds_total{stage="decode"} 1.5',
        "pdray_ingest_rework_total 3",
        "pdray_ingest_bytes_total 1e+12",
        "pdray_ingest_index_retries_total 6",
        "pdray_ingest_images_left 11",
        "pdray_ingest_index_waiting 2",
        "pdray_ingest_gpu_memory_bytes 4",
        "pdray_ingest_paused 1",
        "# TYPE pdray_ingest_images_total counter",
        "# TYPE pdray_ingest_images_left gauge",
    ):
        assert line in lines or line.replace("1e+12", str(10**12 + 1)) in lines, line


def test_they_are_told_at_an_address_and_nothing_else_is() -> None:
    one = Counter("a_total", "A.")
    one.add(3)
    port = free_port()
    with told(f"127.0.0.1:{port}", lambda: [one]) as refused:
        assert refused is None
        answer = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert answer.read() == b"# HELP a_total A.\n# TYPE a_total counter\na_total 3\n"
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://127.0.0.1:{port}/secrets", timeout=5)
    with pytest.raises(OSError, match="refused"):  # it ends with the block
        urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5)


def test_an_address_that_is_taken_stops_no_run() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with told(address, list) as refused:
            assert refused is not None
            assert address in refused
            assert "ingest.metrics" in refused
