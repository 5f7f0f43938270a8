"""An image that a question names by URL. Private addresses are out of reach unless allowed."""

from typing import Any
from urllib.parse import urlsplit

import aiohttp

from pdray.config import Settings
from pdray.serve.problems import Problem
from pdray.sources.chain import chain
from pdray.sources.guard import PrivateHost, guarded_client

_SECONDS = 15.0
_REDIRECTS = 3
_CHUNK = 1 << 16
_HEADERS = {"User-Agent": "pdray", "Accept": "image/*"}


async def fetch(settings: Settings, url: str) -> bytes:
    """The bytes at a URL. Raises Problem 400 in words."""
    _check(url)
    most = settings.serve.upload_mb * 1_000_000
    options: dict[str, Any] = {
        "timeout": aiohttp.ClientTimeout(total=_SECONDS),
        "cookie_jar": aiohttp.DummyCookieJar(),
        "headers": _HEADERS,
    }
    private = settings.sources.private_hosts
    session = aiohttp.ClientSession(**options) if private else await guarded_client(**options)
    async with session:
        try:
            async with session.get(url, max_redirects=_REDIRECTS) as answer:
                if answer.status != 200:
                    raise _bad(f"The server there answers {answer.status}.")
                data = bytearray()
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    data += chunk
                    if len(data) > most:
                        raise _bad(f"The image is larger than {settings.serve.upload_mb} MB.")
                return bytes(data)
        except TimeoutError as error:
            raise _bad(f"The server there takes longer than {_SECONDS:.0f} s.") from error
        except aiohttp.TooManyRedirects as error:
            raise _bad(f"It leads on more than {_REDIRECTS} times.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if any(isinstance(cause, PrivateHost) for cause in chain(error)):
                raise _bad("The address is private, and this server asks public ones only.") from (
                    error
                )
            raise _bad("The server there can't be reached, or its answer is none.") from error


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        known = False
    if not known:
        raise _bad("It must be a whole http or https URL.")
    if parts.username or parts.password:
        raise _bad("It may carry no user and no password.")


def _bad(sentence: str) -> Problem:
    return Problem(400, "bad-image-url", f"image_url: {sentence}", "image_url")
