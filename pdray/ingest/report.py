"""What a run says while it goes on and when it has ended."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Report:
    """Counts of images. seen = indexed + updated + unchanged + moved + failed.

    reused: embeddings not computed again, because the content had one. embedded: those computed.
    captioned: captions made. read: images read, whatever came of them. rework: those of them that a
    process had in hand when it died, in this run or before. retries: images that could not be read
    before, which each run tries again. bytes_read: of the images read. batch_size: images that went
    through the model together, the least of its processes; gpu_bytes: the most that one of them
    held of its GPU. index_retries: requests to the index beside the run that were tried again.
    pending: row parts that are committed but not in the index yet. seconds: of the whole run, start
    of Ray included; startup_seconds: until the first unit began; steady_seconds: from then to the
    last commit. images_per_second: read over seconds. `stages` sums the workers' seconds.
    peak_bytes: the most memory that all processes of the run on the driver's machine held together.
    state: completed, cancelled or failed.
    """

    run_id: str
    collection: str
    model: str
    seen: int = 0
    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    moved: int = 0
    deleted: int = 0
    failed: int = 0
    reused: int = 0
    embedded: int = 0
    captioned: int = 0
    ignored: int = 0
    read: int = 0
    rework: int = 0
    bytes_read: int = 0
    batch_size: int = 0
    gpu_bytes: int = 0
    index_retries: int = 0
    retries: int = 0
    pending: int = 0
    seconds: float = 0.0
    startup_seconds: float = 0.0
    steady_seconds: float = 0.0
    images_per_second: float = 0.0
    peak_bytes: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False
    state: str = "completed"

    def add(self, counts: dict[str, int]) -> None:
        """Adds a unit's counts."""
        for name, number in counts.items():
            setattr(self, name, getattr(self, name) + number)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON document."""
        document = asdict(self)
        document["seconds"] = round(self.seconds, 3)
        document["startup_seconds"] = round(self.startup_seconds, 3)
        document["steady_seconds"] = round(self.steady_seconds, 3)
        document["images_per_second"] = round(self.images_per_second, 2)
        document["stages"] = {name: round(value, 3) for name, value in self.stages.items()}
        return document


@dataclass(slots=True)
class Progress:
    """Where a run is. `total` is None while the listing goes on."""

    phase: str  # "listing", "starting", "indexing", "captioning", "projecting"
    done: int = 0
    failed: int = 0
    total: int | None = None
