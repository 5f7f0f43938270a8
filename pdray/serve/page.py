"""The page in the browser, where it was built."""

from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import pdray

DIST = Path(pdray.__file__).parent / "ui" / "dist"
_ASSETS = "assets/"  # files with a hash in their names
_RUNS = "runs/"
# The page is its own files and this server's answers: nothing comes from elsewhere, and nothing can
# be sent elsewhere. Styles may be inline, which the components' own scroll locks and menus need.
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' blob: data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class _Files(StaticFiles):
    """Paths without an extension are places within the page; so are runs, whose ids have dots."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            # Below /api a person means the API, and a missing file is missing.
            file = "." in path and not path.startswith(_RUNS)
            if error.status_code != 404 or path.startswith("api/") or file:
                raise
            place = "docs.html" if path == "docs" else "index.html"
            response = await super().get_response(place, scope)
        kept = "max-age=31536000, immutable" if path.startswith(_ASSETS) else "no-cache"
        response.headers.update({"Cache-Control": kept, **_HEADERS})
        return response


def is_built(dist: Path | None = None) -> bool:
    """Whether there is a page, and with it the API's documentation at /docs."""
    return ((dist or DIST) / "index.html").is_file()


def add(app: FastAPI, dist: Path | None = None) -> None:
    """Serves the page at every path that is not the API's. Add it last."""
    folder = dist or DIST
    if is_built(folder):
        app.mount("/", _Files(directory=folder, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    async def plain() -> Response:
        return PlainTextResponse("pdray answers here; its page was not built. See /docs.\n")
