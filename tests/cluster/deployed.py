"""What tests of deployments share: the shipped file made small, deploying it, asking it."""

import itertools
import json
import secrets
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.conftest import ROOT, Head
from tests.serving import API, configuration

KEY = secrets.token_hex(16)
# What is deployed is imported from what the nodes have: this checkout, wherever it is.
INSTALLED = {"PYTHONPATH": str(ROOT)}


def production(
    path: Path,
    port: int,
    change: Callable[[dict[str, Any]], None] = lambda search: None,
    *,
    nodes: int = 1,
) -> Path:
    """The shipped file, made small enough for one machine that nobody else may reach."""
    document = configuration("production")
    document["http_options"] |= {"host": "127.0.0.1", "port": port}
    (application,) = document["applications"]
    application["args"]["serve_host"] = "127.0.0.1"
    search, images = application["deployments"]
    search["ray_actor_options"]["num_cpus"] = 0.1
    search["autoscaling_config"]["max_replicas"] = 2
    if nodes > 1:  # of one machine, whose ports they share; each search is to be looked up
        document["proxy_location"] = "HeadOnly"
        search["max_replicas_per_node"] = 1
        application["args"]["serve_cache_mb"] = 0
    images["ray_actor_options"] = {"num_cpus": 0.1}
    images["autoscaling_config"]["max_replicas"] = 1
    change(search)
    path.write_text(yaml.safe_dump(document))
    return path


def deploy(head: Head, path: Path) -> None:
    """`serve deploy`, as the file's first lines say it."""
    subprocess.run(
        [sys.executable, "-m", "ray.serve.scripts", "deploy", str(path)],
        env={**head.environment, "RAY_DASHBOARD_ADDRESS": head.environment["RAY_ADDRESS"]},
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )


def replicas(head: Head, deployment: str = "search") -> dict[str, str]:
    """The replicas that run now: each one's id and its node's; none while anything is still to
    come.
    """
    found = json.loads(head.dashboard("/api/serve/applications/"))["applications"].get("pdray", {})
    if found.get("status") != "RUNNING":
        assert found.get("status") != "DEPLOY_FAILED", found.get("message")
        return {}
    listed = found["deployments"][deployment]["replicas"]
    return {one["replica_id"]: one["node_id"] for one in listed if one["state"] == "RUNNING"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a search: 0 where the connection broke. The ids of its hits, by rank; when it
    was asked and when answered, in seconds of one clock.
    """

    text: str
    status: int
    ids: tuple[str, ...]
    asked: float
    answered: float


class Asking:
    """Asks one search after the other, so many at a time, until told to stop; keeps the answers."""

    def __init__(
        self, port: int, texts: Sequence[str] | None = None, *, at_a_time: int = 1
    ) -> None:
        self.port, self.texts, self.answers = port, texts, list[Answer]()
        self._ending, self._numbers = threading.Event(), itertools.count()
        self._threads = [threading.Thread(target=self._ask) for _ in range(at_a_time)]

    @property
    def statuses(self) -> list[int]:
        return [one.status for one in self.answers]

    def search(self, text: str, limit: int = 10) -> Answer:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{API}/search",
            json.dumps({"text": text, "limit": limit}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
        )
        began = time.monotonic()
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                status, hits = int(answer.status), json.load(answer)["hits"]
        except OSError as error:
            status, hits = int(getattr(error, "code", 0)), []
        return Answer(text, status, tuple(hit["id"] for hit in hits), began, time.monotonic())

    def _ask(self) -> None:
        while not self._ending.is_set():
            number = next(self._numbers)
            texts = self.texts
            text = texts[number % len(texts)] if texts else f"a red circle {number}"
            self.answers.append(self.search(text))

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
