"""What this machine has, read without starting anything: cores, memory, disk, GPUs, torch's build.

Sizes are bytes. Each function says what it can't find out with None, and never raises for it.
"""

import importlib.metadata
import importlib.util
import os
import platform
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CGROUPS = Path("/sys/fs/cgroup")
_TOLD_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def packages() -> dict[str, str | None]:
    """Installed versions of what pdray stands on; nothing is imported."""
    names = ("pdray", "torch", "transformers", "ray", "qdrant-edge-py", "pyarrow", "pillow")
    return {name: _version(name) for name in names}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def torch_build() -> dict[str, Any]:
    """Version of torch and of the CUDA it was built for (None: a build without), unimported."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return {"version": None, "cuda": None}
    try:
        build = runpy.run_path(str(Path(found.origin).with_name("version.py")))
    except (OSError, SyntaxError, ImportError):
        return {"version": _version("torch"), "cuda": None}
    return {"version": build.get("__version__"), "cuda": build.get("cuda")}


def cpu() -> dict[str, Any]:
    """Model name, the flags that matter to matrix products, all cores and those usable here."""
    text = _read(Path("/proc/cpuinfo")) or ""
    pairs = (line.partition(":") for line in reversed(text.splitlines()))
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in _TOLD_FLAGS if flag in flags],
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
    }


def usable_cores(cgroups: Path = _CGROUPS) -> float:
    """Cores that this process may use: the least of what there are, its affinity and its quota."""
    allowed = float(os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        allowed = min(allowed, len(os.sched_getaffinity(0)))
    for folder in _own_cgroups(cgroups):
        quota = re.match(r"(\d+) (\d+)", _read(folder / "cpu.max") or "")
        if quota:
            allowed = min(allowed, int(quota[1]) / int(quota[2]))
    return allowed


def memory(cgroups: Path = _CGROUPS) -> dict[str, int]:
    """Total and available memory, under the limit of the container where there is one."""
    import psutil

    seen = psutil.virtual_memory()
    total, available = int(seen.total), int(seen.available)
    for folder in _own_cgroups(cgroups):
        limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
        if limit is not None and limit < total:
            total, available = limit, min(available, max(0, limit - (used or 0)))
    return {"total": total, "available": available}


def _own_cgroups(cgroups: Path) -> Iterator[Path]:
    """Folders of this process's control group (version 2) and of all above it."""
    own = re.search(r"^0::(/.*)$", _read(Path("/proc/self/cgroup")) or "", re.MULTILINE)
    names = [name for name in own[1].split("/") if name] if own else []
    for depth in range(len(names), -1, -1):
        yield cgroups.joinpath(*names[:depth])


def free_disk(folder: Path) -> int | None:
    """Free bytes where a folder is, or will be made."""
    place = next((one for one in (folder, *folder.parents) if one.exists()), None)
    try:
        return shutil.disk_usage(place).free if place else None
    except OSError:
        return None


def shared_memory() -> dict[str, int] | None:
    """Size and free part of /dev/shm, where Ray's object store lies; None where there is none."""
    try:
        usage = shutil.disk_usage("/dev/shm")
    except OSError:
        return None
    return {"total": usage.total, "free": usage.free}


def gpus() -> dict[str, Any]:
    """The NVIDIA GPUs as nvidia-smi lists them.

    {"gpus": [{"name", "memory", "compute"}], "driver", "driver_cuda", "problem", "on_bus"}:
    `driver_cuda` is the newest CUDA that the driver serves; `problem` what nvidia-smi complains of;
    `on_bus` counts NVIDIA display devices on the PCI bus, whether or not a driver runs them.
    """
    found: dict[str, Any] = {
        "gpus": [],
        "driver": None,
        "driver_cuda": None,
        "problem": None,
        "on_bus": _nvidia_on_bus(),
    }
    program = shutil.which("nvidia-smi")
    if program is None:
        return found
    table, problem = _run(
        program,
        "--query-gpu=name,memory.total,compute_cap,driver_version",
        "--format=csv,noheader,nounits",
    )
    if problem:
        return {**found, "problem": problem}
    found |= parse_gpus(table)
    newest = re.search(r"CUDA Version:\s*([\d.]+)", _run(program)[0])
    return {**found, "driver_cuda": newest[1] if newest else None}


def parse_gpus(table: str) -> dict[str, Any]:
    """{"gpus", "driver"} from lines of `name, MiB, compute capability, driver`."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines()]
    listed = [
        {"name": name, "memory": int(mib) << 20 if mib.isdigit() else None, "compute": compute}
        for name, mib, compute, _ in (row for row in rows if len(row) == 4)
    ]
    drivers = [row[3] for row in rows if len(row) == 4]
    return {"gpus": listed, "driver": drivers[0] if drivers else None}


def _run(*command: str) -> tuple[str, str | None]:
    """(standard output, None), or ("", the first line of what went wrong)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{type(error).__name__}: {error}"
    if done.returncode:
        said = done.stdout.strip() or done.stderr.strip() or f"exit code {done.returncode}"
        return "", said.splitlines()[0]
    return done.stdout, None


def _nvidia_on_bus() -> int:
    devices = Path("/sys/bus/pci/devices")
    vendors = [folder for folder in _entries(devices) if _read(folder / "vendor") == "0x10de"]
    return sum((_read(folder / "class") or "").startswith("0x03") for folder in vendors)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text and text.isdigit() else None
