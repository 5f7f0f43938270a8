"""How remote files are reached: options by scheme, and the guard over https."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pdray.sources.failure import as_os_error
from pdray.sources.guard import guarded_client

_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Storage:
    """Options of fsspec by scheme ("s3", "gs", "https"). They may hold secrets: no repr shows them.

    Unless `private_hosts`, http and https reach public addresses alone.
    """

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, hash=False)
    private_hosts: bool = False

    def of(self, scheme: str) -> dict[str, Any]:
        """The options of one scheme."""
        options = dict(self.options.get(scheme, {}))
        if scheme in _WEB and not self.private_hosts:
            options["get_client"] = guarded_client
        return options

    def read(self, urls: Sequence[str]) -> list[bytes | OSError]:
        """The files of URLs of one scheme, asked for together."""
        import fsspec

        try:
            scheme = urls[0].partition(":")[0].lower()
            system = fsspec.filesystem(scheme, **self.of(scheme))
            paths = [system._strip_protocol(url) for url in urls]
            nothing = [None] * len(paths)
            found = system.cat_ranges(paths, nothing, nothing, on_error="return")
        except Exception as error:
            return [as_os_error(error)] * len(urls)
        return [as_os_error(one) if isinstance(one, Exception) else bytes(one) for one in found]
