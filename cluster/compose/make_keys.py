"""Makes the keys of compose.yaml, each once: what is there already stays. Standard library only.

The files can be read by everybody, because the container's user is another one than yours; the
folder can't be entered by anybody else.
"""

import secrets
import sys
from pathlib import Path

LEAST_USED = 'maxmemory-policy allkeys-lru\nsave ""\nappendonly no\n'  # answers can be had again


def main(folder: Path) -> None:
    """Writes the files that compose.yaml names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = ("ray-token", "qdrant-key", "write-key", "read-key", "redis", "postgresql")
    key = {name: once(folder / name, secrets.token_hex(32)) for name in names}
    once(folder / "cache-url", f"redis://:{key['redis']}@redis:6379/0")
    url = f"postgresql://pdray:{key['postgresql']}@postgresql:5432/pdray"
    once(folder / "library-url", url)
    once(folder / "redis.conf", f"requirepass {key['redis']}\nmaxmemory 256mb\n{LEAST_USED}")
    once(folder / "qdrant.yaml", f"service:\n  api_key: {key['qdrant-key']}\n")
    print(f"The keys are in {folder}; the one for the page is {folder / 'write-key'}.")


def once(path: Path, text: str) -> str:
    """What stands in the file, which is written where there is none."""
    if not path.exists():
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    return path.read_text("utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "secrets")
