"""What requests leave behind: ids, lines, figures; and models that are let go."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pdray import metrics, tracing
from pdray.serve import observing
from pdray.serve.loaded import Loaded
from tests.collector import Spans, collector, said
from tests.ports import free_port


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger("pdray")
    before = (root.handlers[:], root.level, root.propagate)
    observing.configure(tmp_path / "logs" / "serve.jsonl")
    yield tmp_path / "logs" / "serve.jsonl"
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


def test_every_answer_has_an_id_and_its_line_has_the_same(client: TestClient, log_file: Path):
    own = client.get("/healthz").headers["x-request-id"]
    client.get("/api/v1/facets", params={"q": "secret:words"}, headers={"X-Request-ID": "mine-1"})
    client.get("/api/v1/images/00000000-0000-5000-8000-000000000000")
    client.get("/api/nowhere", headers={"X-Request-ID": 'not "one"\tof these'})
    text = log_file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["request_id"] for line in lines[:2]] == [own, "mine-1"]
    assert [line["status"] for line in lines] == [200, 400, 404, 404]
    assert lines[2]["route"] == "/api/v1/images/{id}"
    assert re.fullmatch("[0-9a-f]{16}", lines[3]["request_id"])
    assert "secret" not in text


def test_figures_are_written_as_prometheus_reads_them(client: TestClient):
    client.post("/api/v1/search", json={"text": "a circle"})
    answered = client.get("/metrics")
    assert answered.headers["content-type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r'[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? [0-9.e+-]+')
    for text in answered.text.splitlines():
        assert text.startswith(("# HELP ", "# TYPE ")) or line.fullmatch(text), text
    for name in ("requests_total", "query_seconds_bucket", "batch_size_sum", "cache_total"):
        assert f"pdray_{name}" in answered.text
    assert "pdray_follow_lag_seconds" in answered.text


def test_buckets_count_what_is_at_most_as_large():
    one = metrics.Histogram("x", "X.", (1, 2))
    for value in (0.5, 1, 1.5, 9):
        one.observe(value, a='"')
    samples = one.samples()
    assert samples['x_bucket{a="\\"",le="1"}'] == 2
    assert samples['x_bucket{a="\\"",le="2"}'] == 3
    assert samples['x_bucket{a="\\"",le="+Inf"}'] == 4 == samples['x_count{a="\\""}']
    assert samples['x_sum{a="\\""}'] == 12


def test_a_model_is_built_once_and_let_go_when_it_was_idle_for_long():
    built: list[int] = []
    now = 0.0

    def build() -> int:
        built.append(len(built))
        return built[-1]

    model = Loaded(build, idle_seconds=10.0, clock=lambda: now)
    assert not model.loaded
    assert (model.get(), model.get()) == (0, 0)
    now = 9.0
    model.rest()
    assert model.get() == 0
    now = 19.0
    model.rest()
    assert not model.loaded
    assert model.get() == 1


@pytest.fixture
def spans() -> Iterator[Spans]:
    with collector() as found:
        assert tracing.configure(found.url, "test") is None
        yield found
        tracing._provider.shutdown()
        tracing._provider = tracing._tracer = None


def test_a_request_is_a_span_below_its_callers_with_its_stages_below(
    client: TestClient, spans: Spans
) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{parent}-01", "X-Request-ID": "mine-2"}
    client.post("/api/v1/search", json={"text": "a circle, traced"}, headers=headers)
    client.get("/api/v1/images/00000000-0000-5000-8000-000000000000")
    tracing.flush()
    request = spans.one("POST /api/v1/search")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (trace, parent)
    assert said(request) == {"request_id": "mine-2", "route": "/api/v1/search", "status": 200}
    for name in ("encode", "index"):
        stage = spans.one(name)
        assert stage.parent_span_id == request.span_id
        assert stage.end_time_unix_nano > stage.start_time_unix_nano
    other = spans.one("GET /api/v1/images/{id}")
    assert other.trace_id.hex() != trace
    assert said(other)["status"] == 404


def test_a_collector_that_is_away_is_said_and_loses_nothing_but_spans(client: TestClient) -> None:
    said = tracing.configure(f"http://127.0.0.1:{free_port()}", "test")
    try:
        assert said is not None
        assert "No collector answers at http://127.0.0.1:" in said
        assert client.get("/healthz").status_code == 200
    finally:
        tracing._provider.shutdown()
        tracing._provider = tracing._tracer = None
