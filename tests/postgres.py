"""A PostgreSQL of the tests' own: Debian's, on a free port of this machine."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

PASSWORD = "testing-only"


@contextmanager
def postgresql() -> Iterator[str]:
    """Gives the URL of an empty database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip(
            "PostgreSQL isn't installed: edits are tested with it (apt install postgresql)."
        )
    # It refuses to run as root, and its folder must be one that its user can reach.
    who = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pdray-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if who:
            shutil.chown(folder, who)
            shutil.chown(secret, who)
        data, port = folder / "data", free_port()
        making = [found[-1] / "initdb", "-D", data, "-U", "pdray", "--no-sync", "-E", "UTF8"]
        making += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run(making, check=True, user=who, cwd=folder, stdout=subprocess.DEVNULL)
        words = [found[-1] / "postgres", "-D", data, "-k", folder, "-F"]
        words += ["-c", "listen_addresses=127.0.0.1", "-p", str(port)]
        url = f"postgresql://pdray:{PASSWORD}@127.0.0.1:{port}/postgres"
        with subprocess.Popen(
            words, user=who, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _wait(url, process)
            yield url
            process.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL didn't start"
            assert process.poll() is None, "PostgreSQL ended"
