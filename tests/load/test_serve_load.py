"""The server under load for minutes: `make test-load`. Each prints the figures that it saw."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdray.models.random_weights import write_random_clip
from pdray.serve.load import Load, drive, request
from tests.served import Made, make
from tests.serving import API, Server, environment, serve_run
from tests.waiting import until

pytestmark = pytest.mark.load

TEXTS = [
    f"a {colour} {shape}" for colour in ("red", "blue", "green") for shape in ("circle", "star")
]
LIMIT = 10


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make(tmp_path)


class Watch:
    """Fixed questions, and whether each answer is the right one. A condition keeps what is added
    meanwhile out of them.
    """

    def __init__(self, server: Server, made: Made) -> None:
        where = f'folder:"{made.photos.name}"'
        self.url = server.url
        self.asked = [{"text": f"{text} {where}", "limit": LIMIT} for text in TEXTS]
        self.expected = [self._ids(server.search(**one)) for one in self.asked]
        self.wrong: list[Any] = []

    @staticmethod
    def _ids(document: Any) -> list[str]:
        return [hit["id"] for hit in document["hits"]]

    def check(self, number: int, status: int, body: bytes) -> None:
        if status == 200:
            found = self._ids(json.loads(body))
            if found != self.expected[number % len(self.expected)]:
                self.wrong.append((number, found))
        elif status == 503:
            assert json.loads(body)["code"], body

    async def load(self, concurrency: int, seconds: float) -> Load:
        requests = [
            request(f"{self.url}{API}/search", json.dumps(one).encode()) for one in self.asked
        ]
        return await drive(
            self.url,
            requests,
            concurrency=concurrency,
            seconds=seconds,
            again=True,
            check=self.check,
        )


def told(what: str, load: Load, watch: Watch) -> list[str]:
    """Prints the figures; what is wrong with the answers."""
    figures = {
        "what": what,
        "answers": len(load.milliseconds),
        "per_second": round(load.rate, 1),
        "p50_ms": round(load.percentile(50), 1),
        "p99_ms": round(load.percentile(99), 1),
        "longest_ms": round(max(load.milliseconds)),
        "statuses": dict(load.statuses),
        "wrong": len(watch.wrong),
    }
    print(f"\n{json.dumps(figures)}")
    many = load.statuses["503"] > 0.01 * load.statuses["200"]
    return [
        *(f"wrong answer: {one}" for one in watch.wrong),
        *(f"status {status}" for status in load.statuses.keys() - {"200", "503"}),
        *(["more than one 503 in a hundred answers"] if many else []),
    ]


def quick(document: dict[str, Any]) -> None:
    """Seconds where the shipped configuration waits for minutes."""
    for deployment in document["applications"][0]["deployments"]:
        if deployment["name"] == "search":
            deployment["autoscaling_config"] |= {
                "min_replicas": 1,
                "max_replicas": 3,
                "target_ongoing_requests": 4,
                "upscale_delay_s": 1,
                "downscale_delay_s": 5,
                "metrics_interval_s": 1,
                "look_back_period_s": 2,
            }


def test_replicas_come_die_and_go_under_load_and_no_answer_is_wrong(made: Made, tmp_path: Path):
    with serve_run(
        "cpu", tmp_path, quick, workspace=str(made.workspace), serve_cache_mb=0
    ) as server:
        watch = Watch(server, made)

        def count(wanted: int) -> Callable[[], bool]:
            return lambda: len(server.replicas("search")) == wanted

        async def scenario() -> Load:
            busy = asyncio.create_task(watch.load(32, 120))
            await asyncio.to_thread(until, count(3), "three replicas", 100)
            victim = server.replicas("search")[0]
            victim.kill()
            await asyncio.to_thread(victim.wait)
            await asyncio.to_thread(until, count(3), "three replicas again", 60)
            return await busy

        assert told("1 to 3 replicas, one killed, 32 at once", asyncio.run(scenario()), watch) == []

        async def calm() -> Load:
            one = asyncio.create_task(watch.load(1, 45))
            await asyncio.to_thread(until, count(1), "one replica", 100)
            return await one

        assert told("3 to 1 replicas, one at a time", asyncio.run(calm()), watch) == []


def test_the_owner_is_killed_under_load_and_no_answer_is_wrong(made: Made, tmp_path: Path):
    with serve_run("local", tmp_path, workspace=str(made.workspace), serve_cache_mb=0) as server:
        watch = Watch(server, made)

        async def scenario() -> Load:
            busy = asyncio.create_task(watch.load(4, 40))
            await asyncio.sleep(3)
            (victim,) = server.replicas("index")
            victim.kill()
            await asyncio.to_thread(victim.wait)
            await asyncio.to_thread(until, lambda: server.ready, "ready again")
            return await busy

        load = asyncio.run(scenario())
        assert watch.wrong == []
        assert set(load.statuses) <= {"200", "503"}, load.statuses
        print(f"\nowner killed: {dict(load.statuses)}, longest {max(load.milliseconds):.0f} ms")


def drawn(folder: Path, count: int) -> Path:
    """That many new scenes."""
    pdray = [sys.executable, "-m", "pdray"]
    subprocess.run(
        [*pdray, "samples", str(folder), "--count", str(count), "--seed", "99"],
        check=True,
        capture_output=True,
        env=environment(),
    )
    return folder


@contextmanager
def indexing(made: Made, folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """`pdray index` of a folder into the collection that is served."""
    words = ["index", str(folder), "-w", str(made.workspace), "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "pdray", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as process:
        yield process


def test_a_run_writes_under_load_and_no_answer_is_wrong(made: Made, tmp_path: Path):
    new = 600
    more = drawn(tmp_path / "more", new)
    with serve_run("local", tmp_path, workspace=str(made.workspace)) as server:
        watch = Watch(server, made)

        async def scenario() -> Load:
            busy = asyncio.create_task(watch.load(4, 60))
            with indexing(made, more) as run:
                out, _ = await asyncio.to_thread(run.communicate)
            assert json.loads(out)["indexed"] == new, out
            return await busy

        assert told(f"a run of {new} images, 4 at once", asyncio.run(scenario()), watch) == []

        def images() -> int:
            listed = json.loads(server.get(f"{API}/collections")[1])
            return int(listed["collections"][0]["images"])

        until(lambda: images() == made.count + new, "all that the run committed", 5)


def test_a_model_is_switched_and_back_under_load_and_no_answer_is_a_mix(made: Made, tmp_path: Path):
    other = write_random_clip(tmp_path / "other", architecture="tiny-224")
    pdray = [sys.executable, "-m", "pdray", "models", "switch"]
    with serve_run("local", tmp_path, workspace=str(made.workspace), serve_cache_mb=0) as server:
        watch = Watch(server, made)
        before, found = watch.expected, list[list[str]]()

        def kept(number: int, status: int, body: bytes) -> None:
            """Any answer, for now: which are right is known at the end."""
            assert status == 200, body
            answered.append((number % len(before), Watch._ids(json.loads(body))))

        answered: list[tuple[int, list[str]]] = []
        watch.check = kept  # type: ignore[method-assign]

        def switch(*to: str) -> None:
            call = [*pdray, *to, "-w", str(made.workspace)]
            subprocess.run(call, check=True, capture_output=True, env=environment())

        async def scenario() -> Load:
            busy = asyncio.create_task(watch.load(4, 75))
            await asyncio.to_thread(switch, str(other))
            await asyncio.to_thread(
                until, lambda: Watch._ids(server.search(**watch.asked[0])) != before[0], "the other"
            )
            found.extend(Watch._ids(server.search(**one)) for one in watch.asked)
            await asyncio.to_thread(switch, "--rollback")
            return await busy

        load = asyncio.run(scenario())
        states = [(ids == before[number], ids == found[number]) for number, ids in answered]
        watch.wrong = [one for one, state in zip(answered, states, strict=True) if not any(state)]
        assert told("a switch and the way back, 4 at once", load, watch) == []
        assert sum(new and not old for old, new in states) > 10
        assert states[-1][0], "the model before answers at the end"


def test_the_gpu_configuration_starts_where_ray_has_gpus(made: Made, tmp_path: Path):
    with serve_run(
        "gpu", tmp_path, resources={"CPU": 4, "GPU": 2}, workspace=str(made.workspace)
    ) as server:
        until(lambda: len(server.replicas("search")) == 2, "two replicas")
        known = server.search(text="a circle", limit=1)["hits"][0]
        assert server.search(image_id=known["id"], limit=1)["hits"][0]["id"] == known["id"]
        assert len(server.replicas("images")) == 1
