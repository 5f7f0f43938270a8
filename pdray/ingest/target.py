"""Where the index is, as the settings say."""

from pdray.config import Settings
from pdray.index.layout import choose
from pdray.index.target import IndexTarget


def index_target(settings: Settings) -> IndexTarget:
    """Where the index of these settings is."""
    qdrant = settings.qdrant
    return IndexTarget(
        state_dir=settings.state_dir,
        workspace=settings.workspace,
        url=qdrant.url,
        grpc_port=qdrant.grpc_port,
        api_key=qdrant.api_key.reveal() if qdrant.api_key else None,
        ca=qdrant.ca,
        verify=qdrant.verify,
        timeout=qdrant.timeout,
        prefix=qdrant.prefix,
        attempts=qdrant.attempts,
        library=library_url(settings),
        layout=choose(
            qdrant.images,
            shards=qdrant.shards,
            replicas=qdrant.replicas,
            write_consistency=qdrant.write_consistency,
            quantisation=qdrant.quantisation,
            memory=qdrant.memory,
        ),
    )


def library_url(settings: Settings) -> str:
    """The database of what people say, as SQLAlchemy names it."""
    given = settings.library.url
    return given.reveal() if given else f"sqlite:///{settings.state_dir / 'library.db'}"
