"""Every setting of pdray, in one frozen tree, each with its kind and its description."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pdray.config.kinds import (
    DATABASE,
    PATH,
    PLACE,
    PRECISION,
    REDIS,
    SECONDS,
    SECRET,
    SERVER,
    SWITCH,
    TEXT,
    Kind,
    choice,
    matching,
    whole,
)
from pdray.config.secret import Secret

DEFAULT_MODEL = "openai/clip-vit-base-patch32"
DEFAULT_CAPTIONER = "Salesforce/blip-image-captioning-base"


@dataclass(frozen=True, slots=True)
class About:
    """What a field of the tree is: the kind of its values, what it does, its default in words where
    the value itself doesn't say it.
    """

    kind: Kind
    description: str
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QdrantSettings:
    """Which Qdrant server holds the index; none means the embedded engine."""

    url: Annotated[
        str | None, About(SERVER, "Qdrant server that holds the index.", "none: embedded")
    ] = None
    grpc_port: Annotated[
        int | None,
        About(whole(1, 65_535), "Port of its gRPC, which requests take then (6334).", "none: REST"),
    ] = None
    api_key: Annotated[Secret | None, About(SECRET, "Its key; never shown.", "none")] = None
    api_key_file: Annotated[Path | None, About(PATH, "File that holds the key.", "none")] = None
    ca: Annotated[
        Path | None,
        About(PATH, "PEM file of the authority that signed its certificate.", "the system's"),
    ] = None
    verify: Annotated[bool, About(SWITCH, "Whether its certificate is checked.")] = True
    timeout: Annotated[float, About(SECONDS, "Seconds that one request may take.")] = 30.0
    prefix: Annotated[
        str,
        About(
            matching(r"[A-Za-z0-9._-]{0,64}", "up to 64 letters, digits and signs of ._-"),
            "Leads the names of pdray's collections on a shared server.",
            "none",
        ),
    ] = ""
    attempts: Annotated[
        int, About(whole(1, 100), "Tries of one request while the server is busy or away.")
    ] = 7
    images: Annotated[
        int,
        About(
            whole(1),
            "Images that a new collection is meant for; the rest of its layout follows from it.",
        ),
    ] = 100_000
    shards: Annotated[
        int | None, About(whole(1, 10_000), "Its shards; at least one a node.", "by images")
    ] = None
    replicas: Annotated[int, About(whole(1, 100), "Copies of each shard, on as many nodes.")] = 1
    write_consistency: Annotated[
        int, About(whole(1, 100), "Copies that must have a write before it counts.")
    ] = 1
    quantisation: Annotated[
        Literal["auto", "none", "int8", "binary"],
        About(
            choice("auto", "none", "int8", "binary"),
            "Smaller copies of the vectors, kept in memory and searched first; auto: by images.",
        ),
    ] = "auto"
    memory: Annotated[
        Literal["auto", "ram", "disk"],
        About(choice("auto", "ram", "disk"), "Where whole vectors lie; auto: by images."),
    ] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How images are reached. What is None here, the usual environment of each client says."""

    s3_endpoint: Annotated[
        str | None,
        About(SERVER, "Server that s3:// sources are at.", "AWS_ENDPOINT_URL, else Amazon"),
    ] = None
    s3_region: Annotated[str | None, About(TEXT, "Its region.", "AWS_DEFAULT_REGION")] = None
    s3_key: Annotated[str | None, About(TEXT, "Access key id.", "AWS_ACCESS_KEY_ID")] = None
    s3_secret: Annotated[
        Secret | None, About(SECRET, "Its secret; never shown.", "AWS_SECRET_ACCESS_KEY")
    ] = None
    anonymous: Annotated[
        bool, About(SWITCH, "Whether public buckets (S3, Google) are read without credentials.")
    ] = False
    private_hosts: Annotated[
        bool, About(SWITCH, "Whether http(s) may reach private addresses, such as this network's.")
    ] = False
    parquet_image: Annotated[
        str | None, About(TEXT, "Parquet column of images, bytes or URLs.", "by usual names")
    ] = None
    parquet_key: Annotated[
        str | None,
        About(TEXT, "Parquet column that names images, best in its order.", "the row's number"),
    ] = None
    parquet_caption: Annotated[
        str | None, About(TEXT, "Parquet column of captions.", "caption, text")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSettings:
    """How indexing uses the machine. None: chosen from the machine."""

    unit_size: Annotated[
        int, About(whole(1, 512), "Most images that are read, embedded and committed together.")
    ] = 512
    decode_workers: Annotated[
        int | None, About(whole(1), "Processes that read and decode for GPUs.", "by the cores")
    ] = None
    encoders: Annotated[
        int | None,
        About(
            whole(1), "Processes that run the model.", "one a GPU, else one a core and 8 at most"
        ),
    ] = None
    threads: Annotated[
        int | None, About(whole(1), "Threads of each model process.", "by the cores")
    ] = None
    batch_size: Annotated[
        int | None, About(whole(1, 65_536), "Images in one forward pass.", "by the device")
    ] = None
    max_pixels: Annotated[
        int, About(whole(1), "Larger images are not decoded but listed as failed.")
    ] = 256_000_000
    image_seconds: Annotated[
        float, About(SECONDS, "Longest time that decoding one image may take.")
    ] = 120.0
    image_memory: Annotated[
        int,
        About(whole(2**20), "Most bytes that decoding a suspect (see What is safe) may take."),
    ] = 4 * 2**30
    thumbnail_side: Annotated[
        int, About(whole(16, 2048), "Longer side of a thumbnail, in pixels.")
    ] = 320
    watch_seconds: Annotated[
        float, About(SECONDS, "Time between two looks of `pdray index --watch`.")
    ] = 60.0
    metrics: Annotated[
        str | None,
        About(
            matching(r"[A-Za-z0-9.\-\[\]:]+:[0-9]{1,5}", "an address such as 127.0.0.1:9400"),
            "Where a run tells Prometheus its figures, at /metrics, while it goes on.",
            "none; on a cluster Ray's exporter has them",
        ),
    ] = None
    log_file: Annotated[
        Path | None,
        About(PATH, "File for a JSON line a unit, a failure, and a run's begin and end.", "none"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionSettings:
    """Which model describes images, and when."""

    index: Annotated[
        bool, About(SWITCH, "Whether indexing describes images too, as with --captions.")
    ] = False
    model: Annotated[
        str | None,
        About(
            TEXT,
            "Captioner: a BLIP by hub name or folder, builtin, or package.module:Class.",
            f"the collection's own, else {DEFAULT_CAPTIONER}",
        ),
    ] = None
    beams: Annotated[
        int, About(whole(1, 32), "Captions weighed against each other; 1: the first that comes.")
    ] = 1
    longest: Annotated[int, About(whole(1, 512), "Most tokens of a caption.")] = 40
    precision: Annotated[
        str | None,
        About(
            PRECISION,
            "Number format of the captioner's weights.",
            "as precision says",
        ),
    ] = None
    workers: Annotated[
        int | None,
        About(whole(1), "Processes of `pdray caption` that run the captioner.", "by the machine"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where `pdray serve` answers, and to whom."""

    host: Annotated[
        str, About(TEXT, "Address to answer at; any but this machine's own needs a key.")
    ] = "127.0.0.1"
    port: Annotated[int, About(whole(1, 65_535), "Port to answer at.")] = 8000
    read_key: Annotated[
        Secret | None, About(SECRET, "Key of those who may look; never shown.", "none")
    ] = None
    write_key: Annotated[
        Secret | None, About(SECRET, "Key of those who may also change; never shown.", "none")
    ] = None
    upload_mb: Annotated[int, About(whole(1, 1024), "Largest upload, in megabytes.")] = 32
    min_replicas: Annotated[
        int, About(whole(1, 1000), "Processes that answer searches, at least.")
    ] = 1
    max_replicas: Annotated[
        int | None,
        About(whole(1, 1000), "The same at most; they are added by load.", "one for 2 cores, 4"),
    ] = None
    models: Annotated[
        str,
        About(
            TEXT,
            "Models loaded at the start, by commas; eager: all that collections use; lazy: "
            "none. Others are loaded when they are needed first.",
        ),
    ] = "eager"
    idle_seconds: Annotated[
        float | None,
        About(SECONDS, "Seconds without use after which a model is let go.", "never"),
    ] = None
    cache_mb: Annotated[
        int, About(whole(0, 65_536), "Memory for answers of each replica, in megabytes; 0: none.")
    ] = 64
    cache_url: Annotated[
        Secret | None,
        About(
            REDIS,
            "Redis that keeps answers for all replicas instead, and by which they tell each other "
            "of events at once, redis://host:6379/0; never shown.",
            "none",
        ),
    ] = None
    log_file: Annotated[
        Path | None,
        About(PATH, "File for a JSON line a request.", "none: what failed, in Ray's logs"),
    ] = None

    def preloads(self, name: str) -> bool:
        """Whether a model of this name, or folder, is loaded at the start."""
        if self.models in ("eager", "lazy"):
            return self.models == "eager"
        said = [one.strip() for one in self.models.split(",")]
        return name in said or name in [str(Path(one).expanduser().resolve()) for one in said]


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySettings:
    """Where what people say of images is kept."""

    url: Annotated[
        Secret | None,
        About(
            DATABASE,
            "Database of people's tags, ratings and captions: several nodes need PostgreSQL "
            "(pdray[postgresql]), postgresql://user:password@host:5432/database; never shown.",
            "SQLite, library.db in state_dir",
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Made by `pdray.config.load` alone, so that paths are absolute and checked."""

    workspace: Annotated[
        str, About(PLACE, "Folder or URL that holds the catalog, the runs and the leases.")
    ] = "~/.pdray"
    collection: Annotated[
        str,
        About(
            matching(
                r"[a-z0-9][a-z0-9._-]{0,62}",
                "1 to 63 of a-z, 0-9, dot, dash and underscore, led by a letter or digit",
            ),
            "Collection that commands work on.",
        ),
    ] = "default"
    model: Annotated[
        str | None,
        About(
            TEXT,
            "Hub name, local folder or builtin.",
            f"the collection's own, else {DEFAULT_MODEL}",
        ),
    ] = None
    precision: Annotated[
        str,
        About(
            PRECISION,
            "Number format of the model's weights; nf4 saves memory, not time.",
        ),
    ] = "auto"
    device: Annotated[
        str,
        About(
            matching(r"auto|cpu|mps|cuda(:\d+)?", "auto, cpu, cuda, cuda:N or mps"),
            "Where the model runs.",
        ),
    ] = "auto"
    compile: Annotated[
        bool,
        About(
            SWITCH,
            "Whether the model goes through torch.compile, on GPUs: slow to start, then faster.",
        ),
    ] = False
    offline: Annotated[bool, About(SWITCH, "Whether the model hub is never asked.")] = False
    ray_address: Annotated[
        str | None,
        About(
            TEXT,
            "Ray cluster that indexes, as ray.init takes it; RAY_ADDRESS is heeded too.",
            "none: Ray is started here while it is needed",
        ),
    ] = None
    traces: Annotated[
        str | None,
        About(
            SERVER,
            "OpenTelemetry collector for spans of runs and requests, by OTLP over HTTP, such as "
            "http://127.0.0.1:4318.",
            "none",
        ),
    ] = None
    state_dir: Annotated[
        Path,
        About(
            PATH,
            "Local folder for what can't lie in a bucket, such as the embedded index.",
            "WORKSPACE/state, or a folder of this user where the workspace is a URL",
        ),
    ]
    qdrant: QdrantSettings = field(default_factory=QdrantSettings)
    library: LibrarySettings = field(default_factory=LibrarySettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    sources: SourceSettings = field(default_factory=SourceSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)


SECTIONS: dict[str, type[Any]] = {
    "qdrant": QdrantSettings,
    "ingest": IngestSettings,
    "library": LibrarySettings,
    "captions": CaptionSettings,
    "sources": SourceSettings,
    "serve": ServeSettings,
}
