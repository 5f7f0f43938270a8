"""A Ray cluster as operators have it: `ray start --head` with a token, on loopback."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import S3Server
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DEADLINE = 240.0
Process = subprocess.Popen[bytes]
_TICK = 0.25
_EVERY_NODE = (
    "--disable-usage-stats",
    "--node-ip-address=127.0.0.1",
    "--object-store-memory=150000000",
)


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Asks again until it has happened, for as long as a busy machine may need."""
    until(happened, what, DEADLINE, _TICK)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Head:
    """A head node: what its clients need in their environment, and where it writes its logs."""

    environment: dict[str, str]
    folder: Path
    port: int
    secrets: tuple[str, ...]

    def ray(self, *words: str, expect: int = 0) -> str:
        """Runs `ray ...`; gives what it said."""
        ended = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", *words],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == expect, said
        return said

    def dashboard(self, path: str) -> str:
        """An answer of the dashboard's API to one who has the token."""
        token = Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text()
        asked = urllib.request.Request(
            self.environment["RAY_ADDRESS"] + path, headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(answer.read().decode())

    def nodes(self) -> set[str]:
        """The ids of the nodes that live, as far as Ray knows."""
        told = json.loads(self.dashboard("/api/v0/nodes"))["data"]["result"]["result"]
        return {one["node_id"] for one in told if one["state"] == "ALIVE"}


@dataclass(frozen=True, slots=True)
class Node:
    """One more node: its id in Ray, and the process that all of it hangs on."""

    id: str
    process: Process

    def runs(self, title: str) -> bool:
        """Whether one of its processes has a title that begins so."""
        for one in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if " ".join(one.cmdline()).startswith(title):
                    return True
        return False

    def lose(self) -> None:
        """Goes as it does when somebody pulls its plug: nothing of it says goodbye."""
        everything = psutil.Process(self.process.pid)
        for one in [everything, *everything.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()


def _node(words: Sequence[str], environment: dict[str, str], log: Path) -> Process:
    """`ray start ... --block` in a session of its own, so that it can be killed as a whole."""
    # Nodes of one machine can't all have the port that an agent has by default.
    own = f"--dashboard-agent-listen-port={free_port()}"
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    with log.open("wb") as out:
        return subprocess.Popen(
            [*ray, *_EVERY_NODE, own, *words],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _end(process: Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def joined(head: Head) -> Iterator[Node]:
    """One more node of the head's cluster, with one CPU, for the block. It is there at its start.

    One after the other: nodes of one machine choose free names for their sockets before they take
    them, and two at once choose the same.
    """
    kept = {name: value for name, value in head.environment.items() if name != "RAY_ADDRESS"}
    before = head.nodes()
    words = [f"--address=127.0.0.1:{head.port}", "--num-cpus=1"]
    process = _node(words, kept, head.folder / f"node-{len(before)}.log")
    try:
        wait_until(lambda: head.nodes() > before, "another node")
        (new,) = head.nodes() - before
        yield Node(new, process)
    finally:
        if process.poll() is None:
            _end(process)


@contextmanager
def started(more: dict[str, str], secret: tuple[str, ...], cpus: int = 2) -> Iterator[Head]:
    """A head for the block. `more` is the environment of its processes, `secret` what it hides."""
    with tempfile.TemporaryDirectory(prefix="pdray-head-", ignore_cleanup_errors=True) as folder:
        token = Path(folder) / "token"
        token.write_text(secrets.token_hex(32))
        # Unless `more` says where, all is imported from the working folder that a job brings along.
        others = ("PDRAY_", "RAY", "AWS_", "PYTHONPATH")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(others)}
        kept |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), **more}
        port, dashboard = free_port(), free_port()
        words = ["--head", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"]
        words += [f"--port={port}", f"--num-cpus={cpus}", f"--temp-dir={folder}/r"]
        process = _node(words, kept, Path(folder) / "head.log")
        address = f"http://127.0.0.1:{dashboard}"
        hidden = (*secret, token.read_text())
        head = Head({**kept, "RAY_ADDRESS": address}, Path(folder), port, hidden)
        try:
            wait_until(lambda: _answers(head, process), "the dashboard")
            wait_until(lambda: len(head.nodes()) == 1, "the head itself")
            yield head
        finally:
            _end(process)


def _answers(head: Head, process: Process) -> bool:
    assert process.poll() is None, (head.folder / "head.log").read_text("utf-8")
    host, _, port = head.environment["RAY_ADDRESS"].removeprefix("http://").partition(":")
    try:
        with socket.create_connection((host, int(port)), 1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def head(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head whose nodes know secrets: by file and by their own environment."""
    key = tmp_path_factory.mktemp("secrets") / "qdrant"
    hidden = {name: f"hidden-{name}-{secrets.token_hex(8)}" for name in ("qdrant", "s3", "redis")}
    key.write_text(hidden["qdrant"])
    environment = {
        **s3_server.environment,
        "AWS_SECRET_ACCESS_KEY": hidden["s3"],
        "PDRAY_QDRANT_API_KEY_FILE": str(key),
        "PDRAY_SERVE_CACHE_URL": f"redis://:{hidden['redis']}@127.0.0.1:6379/0",
    }
    with started(environment, tuple(hidden.values())) as made:
        yield made
