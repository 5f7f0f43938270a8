"""What changes under local folders, as the operating system tells it.

Only a hint to look sooner: network mounts tell nothing, and the system may run out of watches.
"""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from pdray.sources.folder import FileSource, FolderSource
from pdray.sources.protocol import Source
from pdray.sources.selection import is_hidden
from pdray.sources.uri import to_path

_STEP_MS = 50
_LOOK_MS = 200  # between looks for the end of the watch


def local_roots(sources: Iterable[Source]) -> list[str]:
    """Where those sources that lie on this machine start from: folders, or single files."""
    files = (getattr(source, "files", source) for source in sources)
    return [to_path(one.root) for one in files if isinstance(one, FolderSource | FileSource)]


class Events:
    """Watches folders with all below them, in a thread, for the block.

    Hidden files and what lies in `ignored` folders (the workspace, which may be below one of these)
    change nothing. `problem` says why there are no events, where there are none.
    """

    def __init__(self, folders: Sequence[str], ignored: Sequence[str] = ()) -> None:
        self.folders = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112
        self.problem: str | None = None
        self._ignored = tuple(os.path.join(folder, "") for folder in ignored)  # noqa: PTH118
        self._changed, self._stop, self._begun = (threading.Event() for _ in range(3))
        self._thread = threading.Thread(target=self._watch, daemon=True, name="pdray-events")

    def __enter__(self) -> Self:
        if self.folders:
            self._thread.start()
            self._begun.wait()  # what changes from now on is told
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self, seconds: float) -> bool:
        """Whether something changed since the last call, or does within these seconds."""
        changed = self._changed.wait(seconds)
        self._changed.clear()
        return changed

    def settled(self, quiet: float, most: float) -> None:
        """Waits until nothing changes for `quiet` seconds, `most` seconds at most: what is being
        copied would be read half.
        """
        end = time.monotonic() + most
        while time.monotonic() < end and self.wait(quiet):
            continue

    def _watch(self) -> None:
        from watchfiles import watch

        try:
            for changes in watch(
                *self.folders,
                watch_filter=lambda _, path: self.matters(path),
                step=_STEP_MS,
                rust_timeout=_LOOK_MS,
                yield_on_timeout=True,
                stop_event=self._stop,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                self._begun.set()
                if changes:
                    self._changed.set()
        except (OSError, RuntimeError) as error:  # a limit of the system, or a folder just gone
            self.problem = str(error).splitlines()[0].rstrip(".")
        finally:
            self._begun.set()

    def matters(self, path: str) -> bool:
        """Whether a change of this file could be one of the images."""
        if path.startswith(self._ignored):
            return False
        root = next((one for one in self.folders if path.startswith(one)), "")
        return not any(is_hidden(name) for name in Path(path[len(root) :].lstrip(os.sep)).parts)
