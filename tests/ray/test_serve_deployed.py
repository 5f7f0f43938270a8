"""The server on a real Ray Serve, as `serve run serve_configs/local.yaml` starts it."""

import asyncio
import inspect
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.serve.schema import ServeDeploySchema
from websockets.sync.client import connect

from pdray.config import load
from pdray.config.listing import settings_by_name
from pdray.errors import UsageError
from pdray.serve import compose, gate
from pdray.serve.load import drive, request
from tests.served import Made, commit, make
from tests.serving import API, CONFIGS, Server, configuration, passed_over, serve_run
from tests.waiting import until

CONFIGURATIONS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
TEXTS = ("a red circle", "a blue square", "a green triangle", "something yellow")

served = pytest.mark.ray


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_shipped_configuration_is_what_serve_takes_and_names_what_there_is(name: str):
    document = configuration(name)
    schema = ServeDeploySchema.model_validate(document)
    assert list(passed_over(document, schema.model_dump(exclude_unset=True))) == []
    (application,) = schema.applications
    module, _, function = application.import_path.partition(":")
    assert inspect.ismodule(inspect.getmodule(getattr(compose, function)))
    assert module == compose.__name__
    assert set(application.args) <= settings_by_name().keys()
    settings = load(dict(application.args), environ={}, cwd=Path("/"))
    placed = compose.placed(settings)
    deployments = {"search", "images", "index"}
    assert placed._bound_deployment.name in deployments
    assert {one.name for one in application.deployments} <= deployments
    # Where others can reach it, keys are demanded, and only because pdray is told so too.
    host = document["http_options"]["host"]
    assert host == application.args.get("serve_host", "127.0.0.1")
    if not gate.is_loopback(host):
        with pytest.raises(UsageError, match="PDRAY_SERVE_WRITE_KEY"):
            gate.check(settings)


def test_a_configuration_with_a_secret_in_it_is_refused():
    with pytest.raises(UsageError, match="set PDRAY_SERVE_WRITE_KEY on the nodes") as refused:
        compose.application({"serve_write_key": "hidden"})
    assert "hidden" not in str(refused.value)


def test_the_environment_file_is_what_pdray_serve_sets():
    lines = (CONFIGS / "serve.env").read_text("utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert found == compose.FAST


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def server(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("serve-run")
    log = folder / "requests.jsonl"
    with serve_run(
        "local", folder, workspace=str(made.workspace), serve_log_file=str(log)
    ) as server:
        server.log = log
        yield server


@served
def test_words_and_images_are_answered_by_processes_of_their_own(server: Server, made: Made):
    uri, caption = next(iter(made.captions.items()))
    assert uri in [hit["uri"] for hit in server.search(text=caption, limit=5)["hits"]]
    picture = Path(uri.removeprefix("file://"))
    mark = b"--x\r\n"
    body = (
        mark
        + b'Content-Disposition: form-data; name="image"; filename="x.jpg"\r\n\r\n'
        + picture.read_bytes()
        + b"\r\n--x--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    asked = urllib.request.Request(f"{server.url}{API}/search", body, kind)
    with urllib.request.urlopen(asked, timeout=90) as answered:
        assert json.loads(answered.read())["hits"][0]["uri"] == uri
    for deployment in ("search", "images", "index"):
        assert len(server.replicas(deployment)) == 1
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    ours = [line for line in lines if line.get("route") == f"{API}/search"]
    assert {"request_id", "ms", "status"} <= ours[-1].keys()
    assert caption not in server.log.read_text()


@served
def test_large_bodies_come_whole_through_the_proxy(server: Server):
    status, body = server.post(f"{API}/search", text="x" * 200_000)
    assert (status, json.loads(body)["code"]) == (422, "invalid")


@served
@pytest.mark.load  # how long a restart takes is the machine's matter
def test_replicas_and_the_owner_may_be_killed_under_load_and_commits_are_seen(
    server: Server, made: Made, tmp_path: Path
):
    expected = {text: ids(server, text) for text in TEXTS}
    url = server.url
    asked = [request(f"{url}{API}/search", json.dumps(one(text)).encode()) for text in TEXTS]
    wrong: list[Any] = []

    def check(number: int, status: int, body: bytes) -> None:
        if status == 200:
            found = [hit["id"] for hit in json.loads(body)["hits"]]
            if found != expected[TEXTS[number % len(TEXTS)]]:
                wrong.append((number, found))

    async def scenario() -> Any:
        ended = asyncio.Event()
        load = asyncio.create_task(
            drive(url, asked, concurrency=8, seconds=90, again=True, check=check, ended=ended)
        )
        await asyncio.sleep(0.5)
        victims = [process for name in ("search", "index") for process in server.replicas(name)]
        for victim in victims:
            victim.kill()
        for victim in victims:
            await asyncio.to_thread(victim.wait)
        await asyncio.to_thread(until, lambda: server.ready, "both are back")
        ended.set()
        return await load

    load = asyncio.run(scenario())
    assert wrong == []
    assert set(load.statuses) <= {"200", "503"}, load.statuses
    assert load.statuses["200"] > 20
    assert max(load.milliseconds) < 45_000  # a new replica is waited for 30 s

    before = server.search(text="has:date", limit=1)["hits"]
    more = tmp_path / "more"
    more.mkdir()
    first = next(made.photos.glob("*.jpg"))
    (more / "new.jpg").write_bytes(first.read_bytes() + b"\0")
    commit(more, made.workspace)

    def images() -> int:
        listed = json.loads(server.get(f"{API}/collections")[1])
        return int(listed["collections"][0]["images"])

    assert before
    until(lambda: images() == made.count + 1, "the commit is searchable", 6.0)


@served
def test_a_run_started_here_works_on_this_ray_and_outlives_the_replica_that_started_it(
    server: Server, made: Made
):
    wish = {"sources": [str(made.photos)], "collection": "again", "model": "builtin"}
    listening = f"{server.url.replace('http', 'ws')}{API}/events"
    with connect(listening) as events:
        assert json.loads(events.recv())["type"] == "hello"
        status, body = server.post(f"{API}/runs", **wish)
        assert status == 201, body
        name = json.loads(body)["id"]
        told = json.loads(events.recv())
        assert (told["type"], told["run"]["id"]) == ("run", name)
    assert json.loads(server.post(f"{API}/runs", **wish)[1])["code"] == "collection-busy"
    (victim,) = server.replicas("search")
    victim.kill()
    victim.wait()

    def ended() -> Any:
        found = json.loads(server.get(f"{API}/runs/{name}")[1])
        return None if found.get("live", True) else found

    done = until(ended, "the run's end")
    assert (done["state"], done["counts"]["indexed"]) == ("completed", made.count)
    page = f"{API}/images?collection=again&limit=100"
    until(lambda: len(json.loads(server.get(page)[1]).get("images", ())) == made.count, "them all")
    # Another process numbers anew: whoever comes back is told that something may be missing.
    with connect(
        f"{server.url.replace('http', 'ws')}{API}/events?last_event_id={told['id']}"
    ) as ws:
        assert json.loads(ws.recv())["type"] == "gap"


def one(text: str) -> dict[str, Any]:
    return {"text": text, "limit": 5}


def ids(server: Server, text: str) -> list[str]:
    return [hit["id"] for hit in server.search(**one(text))["hits"]]
