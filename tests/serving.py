"""A server as a user starts one with Ray's own `serve run` and a shipped configuration."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import yaml
from ray.serve.config import AutoscalingConfig

from pdray.serve import haproxy
from tests import command
from tests.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "serve_configs"
API = "/api/v1"


class Server:
    """One that runs. `process` is what was started; its replicas are below it."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url, self.process = url, process

    def get(self, path: str) -> tuple[int, bytes]:
        return self._ask(Request(f"{self.url}{path}"))

    def post(self, path: str, **asked: Any) -> tuple[int, bytes]:
        body = json.dumps(asked).encode()
        return self._ask(Request(f"{self.url}{path}", body, {"Content-Type": "application/json"}))

    def search(self, **asked: Any) -> Any:
        status, body = self.post(f"{API}/search", **asked)
        assert status == 200, body
        return json.loads(body)

    @staticmethod
    def _ask(request: Request) -> tuple[int, bytes]:
        try:
            with urlopen(request, timeout=90) as answered:
                return answered.status, answered.read()
        except HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    @property
    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of a deployment that are there now."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if process.cmdline()[0].startswith(f"ray::ServeReplica:pdray:{deployment}"):
                    found.append(process)
            except (psutil.Error, IndexError):
                continue
        return found


def environment() -> dict[str, str]:
    """Without what would steer pdray or Ray, and with what the README asks for."""
    lines = (CONFIGS / "serve.env").read_text("utf-8").splitlines()
    return command.environment(
        **dict(line.split("=", 1) for line in lines if line and line[0] != "#")
    )


def configuration(name: str) -> dict[str, Any]:
    """A shipped configuration."""
    document: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text("utf-8"))
    return document


def passed_over(document: Any, taken: Any, place: str = "") -> Iterator[str]:
    """Names in a configuration that Serve's schema doesn't know: it drops them without a word.

    `taken` is the validated document, dumped with what was set.
    """
    if isinstance(document, dict) and isinstance(taken, dict):
        for name, value in document.items():
            if name == "autoscaling_config":  # which the schema takes as it comes
                unknown = set(value) - set(AutoscalingConfig.model_fields)
                yield from (f"{place}.{name}.{each}" for each in unknown)
            elif name in taken:
                yield from passed_over(value, taken[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    elif isinstance(document, list) and isinstance(taken, list):
        for number, (one, kept) in enumerate(zip(document, taken, strict=True)):
            yield from passed_over(one, kept, f"{place}[{number}]")


@contextmanager
def serve_run(
    name: str,
    folder: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    resources: dict[str, float] | None = None,
    **arguments: object,
) -> Iterator[Server]:
    """`serve run` of a shipped configuration at a free port, with these settings added; behind
    HAProxy, as `pdray serve`, where it is the one for one machine.
    """
    document, port = configuration(name), free_port()
    document["http_options"]["port"] = port
    document["applications"][0]["args"] |= arguments
    change(document)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document))
    more = {"RAY_OVERRIDE_RESOURCES": json.dumps(resources)} if resources else {}
    with haproxy.environment() as direct:
        yield from _run(path, port, environment() | more | (direct if name == "local" else {}))


def _run(path: Path, port: int, variables: dict[str, str]) -> Iterator[Server]:
    log = path.with_suffix(".log")
    output = log.open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.serve.scripts", "run", str(path)],
        env=variables,
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    server = Server(f"http://127.0.0.1:{port}", process)

    def ready() -> bool:
        assert process.poll() is None, log.read_text()[-3000:]
        return server.ready

    try:
        until(ready, f"serve run {path.name}")
        yield server
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        for one in psutil.wait_procs(below, 15)[1]:
            one.kill()
        output.close()
