"""Where the index is: a small value that travels to whatever process opens it."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pdray.index.layout import Layout


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """An embedded index under `state_dir`, or, with `url`, a Qdrant server.

    A server's ledger lies in `workspace` (a folder or an fsspec URL). `ca` is a PEM file of a
    private authority; `verify=False` trusts any certificate. `timeout` is seconds a request.
    A `url` without a port means Qdrant's own, 6333; with `grpc_port` requests go by gRPC to that
    port of the same host, encrypted where the URL is https. `label` says in the owner file what
    this process is, where its command line does not. `prefix` leads the names on a shared server.
    `attempts` are tries of one request; `layout` is how a new collection is made. `library` is the
    URL of the database of what people say, which belongs to what is projected.
    """

    state_dir: Path
    workspace: str = ""
    url: str | None = None
    grpc_port: int | None = None
    api_key: str | None = field(default=None, repr=False)
    ca: Path | None = None
    verify: bool = True
    timeout: float = 30.0
    prefix: str = ""
    label: str | None = None
    attempts: int = 7
    layout: Layout = field(default_factory=Layout)
    library: str | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """The target for a message: a URL without credentials, or the folder."""
        if self.url is None:
            return str(self.state_dir / "index")
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
