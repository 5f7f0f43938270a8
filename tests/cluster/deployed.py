"""What tests of deployments share: the shipped file made small, deploying it, asking it."""

import json
import secrets
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import yaml

from tests.cluster.conftest import ROOT, Head
from tests.serving import API, configuration

KEY = secrets.token_hex(16)


def production(
    path: Path, port: int, change: Callable[[dict[str, Any]], None], *, nodes: int = 1
) -> Path:
    """The shipped file, made small enough for one machine that nobody else may reach."""
    document = configuration("production")
    if nodes > 1:  # of one machine, whose ports they share; and each shall have a replica
        document["proxy_location"] = "HeadOnly"
    document["http_options"] |= {"host": "127.0.0.1", "port": port}
    (application,) = document["applications"]
    application["args"]["serve_host"] = "127.0.0.1"
    search, images = application["deployments"]
    search["ray_actor_options"]["num_cpus"] = 0.1
    search["autoscaling_config"]["max_replicas"] = 2
    if nodes > 1:
        search["max_replicas_per_node"] = 1
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


def replicas(head: Head) -> set[str]:
    """The searches' replicas that run now, by id; none while anything is still to come."""
    token = Path(head.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    asked = urllib.request.Request(
        head.environment["RAY_ADDRESS"] + "/api/serve/applications/",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found = json.load(answer)["applications"].get("pdray", {})
    if found.get("status") != "RUNNING":
        assert found.get("status") != "DEPLOY_FAILED", found.get("message")
        return set()
    listed = found["deployments"]["search"]["replicas"]
    return {one["replica_id"] for one in listed if one["state"] == "RUNNING"}


class Asking:
    """Asks one search after the other, until told to stop; keeps the statuses."""

    def __init__(self, port: int) -> None:
        self.port, self.statuses = port, list[int]()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def search(self, text: str) -> int:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{API}/search",
            json.dumps({"text": text}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return int(answer.status)
        except URLError as error:
            return int(getattr(error, "code", 0))

    def _ask(self) -> None:
        while not self._ending.is_set():
            self.statuses.append(self.search(f"a red circle {len(self.statuses)}"))

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
