"""What holds for all tests: the hooks of a session, and an S3 server."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.command", "tests.faults.harness", "tests.faults.orphans")

from tests.sessions import (  # noqa: E402  after the line above
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_logreport,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
]


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that speaks S3 on this machine, for as long as the tests run."""

    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to reach it by s3:// URLs."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def options(self) -> dict[str, Any]:
        """The same as options of fsspec."""
        return {"endpoint_url": self.endpoint, "key": "testing", "secret": "testing"}


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """moto's server in a thread; buckets of one test must have names of their own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The S3 server, with the environment of this process set so that s3:// URLs go there."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
