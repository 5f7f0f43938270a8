"""Finds a model in this machine's hub cache, or fetches it from the hub. No torch here."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from pdray.errors import ModelUnavailable
from pdray.models import layout

Watch = Callable[[str, int, int], None]  # a model, bytes of it that are here, bytes in all

_LOOK_SECONDS = 0.5
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True)
class Hub:
    """Where models come from; None means huggingface_hub's own defaults."""

    endpoint: str | None = None
    cache: Path | None = None
    token: str | None = None
    timeout: float = 5.0  # seconds for the first answer


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Tells how far downloads are that this thread waits for in the block; from another thread."""
    before = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(before)


def is_hub_name(name: str) -> bool:
    """Whether a name has the form owner/model."""
    return _NAME.fullmatch(name) is not None


def snapshot(name: str, *, revision: str | None, offline: bool, hub: Hub) -> Path:
    """The folder of a model's files; its name is the commit.

    What the cache holds completely is used without asking the hub: it costs no network, and the
    embedding space does not move when somebody pushes to the repository. Name a revision to move.
    """
    folder = cached(name, revision, hub)
    if folder is not None:
        return folder
    if offline:
        raise ModelUnavailable(
            f"The model {name} is not on this machine and offline was asked for: "
            "take builtin or a local folder instead."
        )
    return _fetch(name, revision, hub)


def cached(name: str, revision: str | None, hub: Hub) -> Path | None:
    """The complete snapshot of a model in the local cache, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, layout.CONFIG, cache_dir=hub.cache, revision=revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    try:
        layout.check(folder)
    except ModelUnavailable:
        return None  # an interrupted download: fetching again completes it
    return folder


def _fetch(name: str, revision: str | None, hub: Hub) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        # Asked first and alone because it neither retries nor waits longer than its timeout, which
        # the download does.
        sizes = _within(hub.timeout, lambda: _list(name, revision, hub))
        files = layout.wanted(list(sizes))
        total = sum(sizes[file] for file in files)
        with _told(name, total, Path(hub.cache or HF_HUB_CACHE)):
            return Path(
                snapshot_download(
                    name,
                    revision=revision,
                    allow_patterns=files,
                    cache_dir=hub.cache,
                    token=hub.token,
                    endpoint=hub.endpoint,
                    etag_timeout=hub.timeout,
                    tqdm_class=_silent(),
                )
            )
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"The model {name} asks for an accepted licence: accept it on its hub page and give a "
            "token, or take builtin or a local folder instead."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"The hub has no public model {name}: check the name, give a token if it is private, "
            "or take builtin or a local folder instead."
        ) from error
    except RevisionNotFoundError as error:
        raise ModelUnavailable(f"The model {name} has no revision {revision}: name another.") from (
            error
        )
    # Broad on purpose: the hub's client has changed its HTTP library twice and passes that
    # library's exceptions through, and to us each of them means the same.
    except Exception as error:
        raise ModelUnavailable(
            f"The model {name} is not on this machine and the hub can't be reached "
            f"({type(error).__name__}): take builtin or a local folder instead."
        ) from error


def _list(name: str, revision: str | None, hub: Hub) -> dict[str, int]:
    """Files and their bytes, 0 where the hub doesn't say."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    info = api.model_info(name, revision=revision, timeout=hub.timeout, files_metadata=True)
    return {file.rfilename: file.size or 0 for file in info.siblings or []}


def _silent() -> type:
    """The hub's bar without a bar: what is told is told by `watched`."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **{**options, "disable": True})

    return Silent


@contextmanager
def _told(name: str, total: int, cache: Path) -> Iterator[None]:
    """Tells whoever watches what of a model has come: the bytes that its folder of the cache grows
    by, whichever way the hub's client fetches them.
    """
    watch = _watch.get()
    if watch is None:
        yield
        return
    from huggingface_hub.file_download import repo_folder_name

    blobs = cache / repo_folder_name(repo_id=name, repo_type="model") / "blobs"
    ended = threading.Event()

    def look() -> None:
        while True:
            watch(name, min(total, _size(blobs)), total)
            if ended.wait(_LOOK_SECONDS):
                return

    thread = threading.Thread(target=look, name="fetching", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    watch(name, total, total)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder, which come and go."""
    found = 0
    for file in folder.glob("*"):
        try:
            found += file.stat().st_size
        except OSError:
            continue
    return found


def _within(seconds: float, ask: Callable[[], Mapping[str, int]]) -> Mapping[str, int]:
    """The answer, or TimeoutError: HTTP's own timeout does not cover a silent name server."""
    answers: list[Mapping[str, int] | Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        # Broad because it is only carried over to the caller's thread, where it is told apart.
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(2 * seconds)
    if not answers:
        raise TimeoutError
    answer = answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer
