"""What holds for every test: a skip needs a reason that no installation could mend."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

# What a machine can lack for good. Anything else that skips under CI is a broken installation.
_BEYOND_US = (
    "needs a GPU",
    "there is a GPU",
    "names no server",
    "root reads everything",
    "this CPU has no",
    "lets nobody mount",
)
_surprising: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else "")
        if not any(words in reason for words in _BEYOND_US):
            _surprising.append(f"{report.nodeid}: {reason}")
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: Playwright keeps an event loop in this thread until the session ends, and
    no other test could run one of its own.
    """
    items.sort(key=lambda item: item.path.parent.name == "browser")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _surprising and os.environ.get("CI"):
        print("\nSkipped, though this machine should run them:", *_surprising, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
