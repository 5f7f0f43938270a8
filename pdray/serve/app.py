"""The HTTP API as a FastAPI app over an engine. No Ray in it: `compose.py` places it."""

from pathlib import Path

from fastapi import FastAPI

import pdray
from pdray.serve import page, problems
from pdray.serve.engine import Engine
from pdray.serve.gate import Gate, Keys
from pdray.serve.happenings import Happenings
from pdray.serve.launching import Launcher
from pdray.serve.observing import Observed
from pdray.serve.picturing import Pictured
from pdray.serve.recalling import Recalled
from pdray.serve.routes import (
    collections,
    events,
    exports,
    folders,
    images,
    models,
    runs,
    search,
    states,
)


def build_app(engine: Engine, dist: Path | None = None) -> FastAPI:
    """The app; `dist` is the folder of the built page, found in the package where it is None."""
    app = FastAPI(
        title="pdray",
        version=pdray.__version__,
        description=f"Image search by words, by example, by metadata.\n{events.ABOUT}",
        # The page brings its own: FastAPI's loads its scripts from another host.
        docs_url=None if page.is_built(dist) else "/docs",
        redoc_url=None,
    )
    app.state.engine = engine
    problems.install(app)
    app.add_middleware(Pictured, engine=engine)
    app.add_middleware(Recalled, engine=engine)
    app.add_middleware(Gate, settings=engine.settings)
    app.add_middleware(Observed)  # the one added last is outermost
    launcher = Launcher(engine.settings)
    happenings = Happenings(engine, launcher)
    for router in (
        states.router(engine),
        search.router(engine),
        images.router(engine),
        folders.router(engine),
        collections.router(engine, launcher),
        models.router(engine),
        exports.router(engine),
        runs.router(engine, launcher),
        events.router(happenings, Keys(engine.settings)),
    ):
        app.include_router(router)
    page.add(app, dist)
    return app
