"""A Ray that several runs join, which saves each the start of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# What Ray in this process turns on, its other processes would not know of.
_OPEN = {"RAY_AUTH_MODE": "disabled"}


@contextmanager
def ray_head() -> Iterator[dict[str, str]]:
    """What makes a run join it. Its processes have the environment that this one has now."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in _OPEN.items():
            patch.setenv(name, value)
        head = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 2**28}
        cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield {**_OPEN, "PDRAY_RAY_ADDRESS": cluster.address}
    finally:
        cluster.shutdown()
