"""A Ray that isn't there is said in one sentence, before anything is begun."""

import socket

import pytest

from pdray.errors import IngestError
from pdray.ingest.joining import connected


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_cluster_that_answers_nobody_is_not_waited_for(scheme: str) -> None:
    address = f"{scheme}127.0.0.1:{closed_port()}"
    said = pytest.raises(IngestError, match=f"No Ray cluster answers at {address} .*ray_address")
    with said, connected(address):
        pass


def test_an_address_that_ray_refuses_is_named() -> None:
    said = pytest.raises(IngestError, match="Ray can't be used at nonsense")
    with said, connected("nonsense"):
        pass
