"""A small served workspace, drawn once; each module of tests has a copy of it and a server. And
certificates, and a Redis."""

import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pdray.ingest.target import index_target
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from tests.postgres import postgresql
from tests.served import Made, copied, make, settings_of


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Scenes, committed and not yet in any index. Nobody may change the workspace."""
    return make(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def made(drawn: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The scenes in a workspace of the module's own."""
    return copied(drawn, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def client(made: Made) -> Iterator[TestClient]:
    """The API over it, without Ray."""
    settings = settings_of(made, ingest_encoders=1)
    with (
        Engine(settings, index_target(settings)) as engine,
        TestClient(build_app(engine), base_url="http://127.0.0.1") as client,
    ):
        yield client


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[], tuple[Path, Path]]:
    """Makes an authority for 127.0.0.1: gives its PEM file, and one with key and certificate."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def make() -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{key!r}"[-40:])])
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = (
            x509.CertificateBuilder()
            .subject_name(who)
            .issuer_name(who)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = signed.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        stem = tmp_path / f"{signed.serial_number}"
        stem.with_suffix(".ca").write_bytes(pem)
        stem.with_suffix(".chain").write_bytes(secret + pem)
        return stem.with_suffix(".ca"), stem.with_suffix(".chain")

    return make


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of the tests' own."""
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the tests' own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip(
            "Redis isn't installed: what shares it is tested with it (apt install redis-server)."
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    words = [program, "--port", str(number), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*words, "--dir", str(tmp_path_factory.mktemp("redis"))], stdout=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", number)).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "Redis didn't start"
                assert process.poll() is None, "Redis ended"
        yield f"redis://127.0.0.1:{number}/0"
        process.terminate()
