"""Places the API with Ray Serve: the one file of this room that knows Ray.

One replica answers where the index is embedded, because that has one owner; where a Qdrant server
holds it, Serve adds replicas by load. API, text tower and index (or its client) share the replica:
a hop between deployments would cost more than a query.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve.schema import LoggingConfig

from pdray.config import Settings, load
from pdray.ingest.run import index_target
from pdray.serve import gate
from pdray.serve.app import build_app
from pdray.serve.engine import Engine
from pdray.serve.launching import settle

NAME = "pdray"
_ONGOING = 64  # requests in one replica; its threads take turns
_MIB = 1 << 20


class Replica:
    """The API in one process of Ray's."""

    def __init__(self, settings: Settings) -> None:
        # Runs that are started here work on this very cluster.
        address = settings.ray_address or ray.get_runtime_context().gcs_address
        settings = replace(settings, ray_address=address)
        self._engine = Engine(settings, replace(index_target(settings), label="pdray serve"))
        self._engine.start()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_app(self._engine)

    def __del__(self) -> None:
        self._engine.close()


def application(arguments: dict[str, Any]) -> Any:
    """What `serve run pdray.serve.compose:application` and configuration files name; the arguments
    are settings by their flat names (`workspace`, `qdrant_url`).
    """
    settings = load(dict(arguments))
    gate.check(settings)
    return placed(settings)


def placed(settings: Settings) -> Any:
    """The Serve application of these settings."""
    scaling: dict[str, Any] = {"num_replicas": 1}
    if settings.qdrant.url is not None:
        scaling = {
            "autoscaling_config": {
                "min_replicas": 1,
                "max_replicas": 4,
                "target_ongoing_requests": 8,
                "upscale_delay_s": 5,
                "downscale_delay_s": 60,
            }
        }
    deployment = serve.deployment(
        name="search",
        max_ongoing_requests=_ONGOING,
        # A fraction, so that indexing can always be placed beside it.
        ray_actor_options={"num_cpus": 0.1},
        graceful_shutdown_timeout_s=10,
        graceful_shutdown_wait_loop_s=0.5,
        logging_config=LoggingConfig(enable_access_log=False),
        **scaling,
    )(serve.ingress()(Replica))
    return deployment.bind(settings)


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Serves for the block; gives the URL once it answers. Nothing runs on when the block ends."""
    gate.check(settings)
    host, port = settings.serve.host, settings.serve.port
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\.")
    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=128 * _MIB,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    try:
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": host, "port": port, "keep_alive_timeout_s": 90},
            logging_config=LoggingConfig(enable_access_log=False, log_level="ERROR"),
        )
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.run(placed(settings), name=NAME, route_prefix="/")
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        try:
            serve.delete(NAME)  # the replica closes its index; all else ends with Ray
        finally:
            ray.shutdown()


def run(settings: Settings, ready: Callable[[str], None], ending: threading.Event) -> None:
    """Serves until `ending` is set; `ready` is told the URL."""
    with served(settings) as url:
        ready(url)
        ending.wait()
        settle(settings)
