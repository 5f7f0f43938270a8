"""Workspaces that tests write by hand: a real catalog and embedded index, no model and no Ray."""

from pathlib import Path

from pdray.catalog.catalog import Catalog
from pdray.config import Settings
from pdray.index.opening import open_index
from pdray.index.target import IndexTarget
from pdray.ingest.project import Projector
from pdray.records import ModelSpec, Preprocessing

DIM = 4
SPEC = ModelSpec("m", "m", None, "clip", DIM, "w", Preprocessing(8, 8, "exact", 8))


class Workspace:
    """One in a folder, whose index takes in what is committed when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(workspace=str(folder / "w"), state_dir=folder / "state")
        self.target = IndexTarget(folder / "state", str(folder / "w"))
        self.catalog = Catalog.open(self.settings.workspace, create=True)
        self.root = folder / "w"

    def catch_up(self, collection: str = "default") -> None:
        projector = Projector.open(self.catalog, self.target, SPEC)
        projector.catch_up(collection)
        projector.close()

    def indexed(self, collection: str | None = None) -> dict[str, dict[str, object]]:
        """The payloads of the index's points by id."""
        with open_index(self.target, SPEC.space, DIM) as index:
            return dict(index.scroll(collection))
