"""What a run tells while it goes on: figures for Prometheus, spans, and lines in a log."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.collector import collector, said
from tests.command import environment, words
from tests.e2e.conftest import Collection
from tests.ports import free_port
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.ray]


def _figures(port: int) -> dict[str, float]:
    try:
        text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except URLError:
        return {}
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_run_tells_what_it_does(indexed: Collection, tmp_path: Path) -> None:
    photos, log, port = tmp_path / "photos", tmp_path / "logs" / "runs.jsonl", free_port()
    photos.mkdir()
    for file in sorted(indexed.photos.glob("*.jpg"))[:60]:
        shutil.copy(file, photos)
    (photos / "broken.jpg").write_bytes(b"no picture")
    with collector() as spans:
        told = environment(
            PDRAY_INGEST_METRICS=f"127.0.0.1:{port}",
            PDRAY_INGEST_LOG_FILE=str(log),
            PDRAY_TRACES=spans.url,
        )
        run = subprocess.Popen(
            words("index", photos, "-w", tmp_path / "w", "--model", "builtin", "--json"),
            env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            left = "pdray_ingest_images_left"
            first = until(lambda: (found := _figures(port)).get(left) == 61 and found, "figures")
            out, err = run.communicate(timeout=240)
        finally:
            run.kill()
    assert run.returncode == 0, err
    report = json.loads(out)
    assert first["pdray_ingest_paused"] == 0
    assert first['pdray_ingest_images_total{outcome="failed"}'] == 0
    assert first["pdray_ingest_memory_bytes"] > 20e6

    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert {line["run_id"] for line in lines} == {report["run_id"]}
    assert (lines[0]["message"], lines[-1]["message"]) == ("run begins", "run ended")
    units = [line for line in lines if line["message"] == "unit committed"]
    assert sum(line["images"] for line in units) == 61
    assert all(line["seconds"]["decode"] > 0 for line in units)
    (failed,) = [line for line in lines if line["message"] == "image failed"]
    assert failed["uri"].endswith("/photos/broken.jpg")
    assert (lines[-1]["indexed"], lines[-1]["failed"], lines[-1]["state"]) == (60, 1, "completed")

    whole = spans.one("run")
    assert said(whole)["run_id"] == report["run_id"]
    assert said(whole)["images_read"] == 61
    below = {name: spans.one(name) for name in ("list and plan", "index", "catch up")}
    assert {one.parent_span_id for one in below.values()} == {whole.span_id}
    assert len(spans.named("unit")) == len(units)
    for unit in spans.named("unit"):
        assert unit.parent_span_id == below["index"].span_id
        seconds = (unit.end_time_unix_nano - unit.start_time_unix_nano) / 1e9
        stages = sum(value for name, value in said(unit).items() if name.startswith("seconds."))
        assert stages == pytest.approx(seconds, abs=0.5)

    document = re.sub(r"\s", "", out)
    assert f'"bytes_read":{sum(file.stat().st_size for file in photos.iterdir()) - 10}' in document
    assert report["batch_size"] > 0
