"""A run that joins a cluster tells its figures through Ray's own exporter."""

import re
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from pdray.ingest.compose import cluster
from pdray.ingest.metering import figures
from pdray.ingest.report import Progress, Report
from pdray.ingest.tally import Tally
from tests.ports import free_port
from tests.waiting import until

pytestmark = pytest.mark.ray


def test_rays_exporter_has_a_runs_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    port = free_port()
    head = {
        "num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**28,
        "metrics_export_port": port, "_system_config": {"metrics_report_interval_ms": 500},
    }  # fmt: skip
    joined = Cluster(initialize_head=True, head_node_args=head)
    try:
        report = Report("1", "photos", "m", indexed=5, read=6, failed=1)
        tally = Tally(report)
        tally.show(Progress("indexing", 6, 1, 10))

        def look() -> list[object]:
            return list(figures(report, tally.snapshot("running")))

        def exported(name: str, *labels: str) -> float | None:
            try:
                text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
            except URLError:
                return None
            for line in text.splitlines():
                if re.match(rf"{name}\{{", line) and all(label in line for label in labels):
                    return float(line.rpartition(" ")[2])
            return None

        indexed = ("ray_pdray_ingest_images_total", 'outcome="indexed"', 'collection="photos"')
        with cluster(joined.address, tmp_path / "ray.log") as connected:
            exporter = connected.exporter("photos")
            exporter.tell(look, now=True)  # type: ignore[arg-type]
            until(lambda: exported(*indexed) == 5, "the first figures")
            report.indexed, report.read = 7, 8
            tally.show(Progress("indexing", 8, 1, 10))
            exporter.tell(look)  # type: ignore[arg-type]  # too soon
            exporter.tell(look, now=True)  # type: ignore[arg-type]
            until(lambda: exported(*indexed) == 7, "what rose, added once")
            assert exported("ray_pdray_ingest_images_left", 'collection="photos"') == 2
    finally:
        joined.shutdown()
