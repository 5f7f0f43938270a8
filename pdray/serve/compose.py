"""Places the API with Ray Serve: the one file of this room that knows Ray.

    search    API and text tower, replicas by load; what the proxy reaches
    images    the image tower, with a GPU where there is one; batched, replicas by load
    index     one process that owns the embedded indexes; none where a Qdrant server holds them

A call from one deployment to another costs more than a query, so the text tower has none, and the
index is reached over a socket (wire.py): Serve only places, watches and restarts its process.
"""

import asyncio
import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import anyio.from_thread
import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import LoggingConfig

from pdray import log, tracing
from pdray.catalog.catalog import Catalog
from pdray.config import Settings, load, secrets_among
from pdray.errors import IndexUnavailable, ModelUnavailable, PdrayError, UsageError
from pdray.index.target import IndexTarget
from pdray.ingest.orphans import end_with_parent
from pdray.ingest.target import index_target
from pdray.records import ModelSpec
from pdray.serve import gate, haproxy, observing
from pdray.serve.app import build_app
from pdray.serve.benchmark import StubIndexes, noop
from pdray.serve.engine import Engine
from pdray.serve.held import Indexes, models
from pdray.serve.launching import settle
from pdray.serve.meeting import place
from pdray.serve.owner import Owner
from pdray.serve.pixels import ImageTower
from pdray.serve.shared import Shared
from pdray.serve.space import Pixels, Vectors
from pdray.serve.waiting import ready_or_not

NAME = "pdray"
_ONGOING = 64  # requests in one replica; its threads take turns
# Where a replica finds its indexes: in their owner's process, or in its own, from which a Qdrant
# server is asked too. The last is for measuring what the first costs.
Reach = Literal["shared", "held", "stub"]
_REACHED: dict[Reach, Callable[[Path], Indexes | None]] = {
    "shared": Shared,
    "held": lambda _: None,
    "stub": lambda _: StubIndexes(),
}
_IMAGE_SECONDS = 60.0  # for one image, the start of an encoder included
_TEXTS_FIRST_SECONDS = 3.0
_OPENING_SECONDS = 30.0  # then it says why it can't
_SWITCH_SECONDS = 0.0005  # a thread that is waited for gets its turn sooner
_MIB = 1 << 20

# How Serve's processes talk, read where they start. Request and answer go from proxy to replica as
# gRPC and stay in the replica's own event loop: a no-op endpoint then answers 480 times a second
# instead of 245, and 850 instead of 500 when 16 ask at once.
FAST = {
    "RAY_SERVE_PROXY_USE_GRPC": "1",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Ray gives its processes the lowest priority but four: whatever else the machine does, a query
    # would wait for it. Indexing steps back by itself (ingest/compose.py).
    "RAY_worker_niceness": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "pdray.serve.proxying:front",
}


class Replica:
    """The API in one process of Ray's."""

    def __init__(self, settings: Settings, images: Any, reach: Reach, *_owner: Any) -> None:
        end_with_parent()
        observing.configure(settings.serve.log_file)
        if doubt := tracing.configure(settings.traces, "pdray serve"):
            log.get("serve").warning("%s", doubt)
        sys.setswitchinterval(_SWITCH_SECONDS)
        # Runs that are started here work on this very cluster.
        address = settings.ray_address or ray.get_runtime_context().gcs_address
        settings = replace(settings, ray_address=address)
        target = _target(settings)
        if settings.library.url is None and sum(node["Alive"] for node in ray.nodes()) > 1:
            target = replace(target, library=None)  # a file that other machines don't see
        self._images = images
        folder = place(target)
        self._engine = Engine(settings, target, _REACHED[reach](folder), self._encode, folder)
        self._engine.start()
        # Until then no request comes here: others answer it, or nobody would yet.
        self._engine.wait(_OPENING_SECONDS)
        # What is here now stays: to look at all of it again and again would hold up requests.
        gc.collect()
        gc.freeze()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return build_app(self._engine)

    def _encode(self, spec: ModelSpec, pixels: Pixels) -> Vectors:
        """Asks the image tower; from a thread that a request runs in."""

        async def ask() -> Vectors:
            vector: Vectors = await self._images.encode.remote(spec, pixels)
            return vector

        async def bounded() -> Vectors:
            return await asyncio.wait_for(ask(), _IMAGE_SECONDS)

        try:
            vector: Vectors = anyio.from_thread.run(bounded)
            return vector
        except ModelUnavailable:
            raise
        except (RayError, RayServeException, TimeoutError) as error:
            raise ModelUnavailable(
                f"The image model doesn't answer ({type(error).__name__}): try again in a moment."
            ) from error

    def check_health(self) -> None:
        """A replica that no longer follows would answer ever older things."""
        if not self._engine.following:
            raise IndexUnavailable("The thread that follows the catalog has ended.")

    def __del__(self) -> None:
        if engine := getattr(self, "_engine", None):
            engine.close()


class ImageEncoder:
    """The image tower in one process of Ray's."""

    def __init__(self, settings: Settings) -> None:
        end_with_parent()
        observing.configure(settings.serve.log_file)
        self._settings, self._tower = settings, ImageTower(settings)
        self._ending = threading.Event()
        threading.Thread(target=self._keep, name="keeper", daemon=True).start()

    async def encode(self, spec: ModelSpec, pixels: Pixels) -> Vectors:
        """The vector (dim,) of the pixels of one image."""
        vectors = await asyncio.wrap_future(self._tower.submit(spec, pixels))
        vector: Vectors = vectors[0]
        return vector

    def _keep(self) -> None:
        """Loads models where that shall be at the start, then lets idle ones go."""
        if self._settings.serve.models != "lazy":
            try:
                # After the texts, which more people wait for.
                self._ending.wait(_TEXTS_FIRST_SECONDS)
                catalog = Catalog.open(self._settings.workspace, absent=True)
                wanted = {one.space: one for one in models(catalog).values()}
                serve = self._settings.serve
                self._tower.warm(one for one in wanted.values() if serve.preloads(one.name))
            except (PdrayError, OSError) as error:  # told to whoever sends an image
                log.get("serve").warning("%s", error)
        while not self._ending.wait(1.0):
            self._tower.rest()

    def __del__(self) -> None:
        if hasattr(self, "_ending"):
            self._ending.set()
            self._tower.close()


class IndexOwner:
    """The owner of the embedded indexes in one process of Ray's. Nobody calls it over Ray."""

    def __init__(self, settings: Settings) -> None:
        end_with_parent()
        observing.configure(settings.serve.log_file)
        self._owner = Owner(settings, _target(settings))

    def check_health(self) -> None:
        """One that no longer follows is started anew."""
        if not self._owner.following:
            raise IndexUnavailable("The thread that follows the catalog has ended.")

    def __del__(self) -> None:
        if owner := getattr(self, "_owner", None):
            owner.close()


def _target(settings: Settings) -> IndexTarget:
    return replace(index_target(settings), label="pdray serve")


def application(arguments: dict[str, Any]) -> Any:
    """What `serve run pdray.serve.compose:application` and configuration files name; the arguments
    are settings by their flat names (`workspace`, `qdrant_url`).
    """
    settings = load(dict(arguments))
    for name in secrets_among(arguments):
        raise UsageError(
            f"Ray's dashboard and logs show what a configuration says: take {name} out of its args "
            f"and set PDRAY_{name.upper()} on the nodes, where Ray is started."
        )
    gate.check(settings)
    return placed(settings)


def placed(settings: Settings, reach: Reach | None = None) -> Any:
    """The Serve application of these settings. Raises UsageError where it can't be placed."""
    nodes = [node for node in ray.nodes() if node["Alive"]] if ray.is_initialized() else []
    embedded = settings.qdrant.url is None
    if embedded and len(nodes) > 1:
        raise UsageError(
            "An embedded index lies on one machine, and this Ray cluster has "
            f"{len(nodes)}: name a Qdrant server with qdrant.url."
        )
    gpus = settings.device != "cpu" and any(node["Resources"].get("GPU") for node in nodes)
    cores = sum(node["Resources"].get("CPU", 0) for node in nodes) or os.cpu_count() or 1
    most = max(settings.serve.min_replicas, settings.serve.max_replicas or min(4, int(cores) // 2))
    images = _deployment(
        "images",
        {"num_cpus": 0.1, **({"num_gpus": 1} if gpus else {})},
        _scaling(1, max(1, most if gpus else 1)),
    )(ImageEncoder).bind(settings)
    search = _deployment(
        "search",
        {"num_cpus": 0.1},
        _scaling(settings.serve.min_replicas, most),
    )(serve.ingress()(Replica))
    reach = reach or ("shared" if embedded else "held")
    if reach != "shared":
        return search.bind(settings, images, reach)
    index = _deployment("index", {"num_cpus": 0.1}, None)(IndexOwner).bind(settings)
    return search.bind(settings, images, reach, index)


def _deployment(name: str, resources: dict[str, Any], scaling: dict[str, Any] | None) -> Any:
    """CPUs are fractions, so that indexing can always be placed beside them."""
    return serve.deployment(
        name=name,
        max_ongoing_requests=_ONGOING,
        ray_actor_options=resources,
        health_check_period_s=5,
        health_check_timeout_s=20,
        graceful_shutdown_timeout_s=10,
        graceful_shutdown_wait_loop_s=0.5,
        logging_config=LoggingConfig(enable_access_log=False),
        **({"autoscaling_config": scaling} if scaling else {"num_replicas": 1}),
    )


def _scaling(least: int, most: int) -> dict[str, Any] | None:
    if least == most == 1:
        return None
    return {
        "min_replicas": least,
        "max_replicas": most,
        "target_ongoing_requests": 8,
        "upscale_delay_s": 5,
        "downscale_delay_s": 60,
    }


class Noop:
    """What the benchmark compares with."""

    def __serve_build_asgi_app__(self) -> FastAPI:
        return noop()


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Serves for the block; gives the URL once it answers. Nothing runs on when the block ends."""
    gate.check(settings)
    with _started(settings.serve.host, settings.serve.port) as url, _deployed(placed(settings)):
        yield url


@contextmanager
def measured(settings: Settings) -> Iterator[Callable[[str], AbstractContextManager[str]]]:
    """For the benchmark: gives what serves one thing after the other, by its name there."""
    reach: dict[str, Reach] = {"edge": "shared", "in_replica": "held", "stub": "stub"}
    with _started(settings.serve.host, settings.serve.port) as url:

        @contextmanager
        def serving(name: str) -> Iterator[str]:
            if name == "noop":
                app = _deployment("search", {"num_cpus": 0.1}, None)(serve.ingress()(Noop)).bind()
            else:
                app = placed(settings, reach[name])
            with _deployed(app):
                if why := ready_or_not(url):
                    raise IndexUnavailable(why)
                yield url

        yield serving


@contextmanager
def _deployed(app: Any) -> Iterator[None]:
    try:
        serve.run(app, name=NAME, route_prefix="/")
        yield
    finally:
        serve.delete(NAME)  # the owner closes its index; all else ends with Ray


@contextmanager
def _started(host: str, port: int) -> Iterator[str]:
    """A Ray of its own with an empty Serve for the block."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\.")
    with haproxy.environment() as direct, haproxy.inherited({**FAST, **direct}):
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
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
        finally:
            ray.shutdown()


def run(settings: Settings, ready: Callable[[str], None], ending: threading.Event) -> None:
    """Serves until `ending` is set; `ready` is told the URL."""
    with served(settings) as url:
        ready(url)
        ending.wait()
        settle(settings)
