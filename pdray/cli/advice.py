"""From facts about a machine to what is wrong and what to do: pure functions of values."""

from typing import Any, NamedTuple

# The first driver of each CUDA generation on Linux; within one generation any driver serves.
# Source: NVIDIA, "CUDA Compatibility", minor version compatibility.
_FIRST_DRIVER = {11: "450.80", 12: "525.60", 13: "580.65"}
# CUDA 13 dropped Maxwell, Pascal and Volta.
_OLDEST_COMPUTE = {13: 7.5}

GIB = 1 << 30
LEAST_MEMORY = 2 * GIB
LEAST_DISK = 2 * GIB
LEAST_SHARED = 1 * GIB


class Problem(NamedTuple):
    """`what` is wrong and what to `do`, a sentence each."""

    what: str
    do: str


def advise(facts: dict[str, Any]) -> list[Problem]:
    """Everything that stands in the way, the gravest first; `doctor.examine` makes the facts."""
    return [
        *_packages(facts["packages"]),
        *_model(facts["model"], facts["hub"]),
        *match_gpu(facts["gpu"], facts["torch"]),
        *_room(facts),
    ]


def _packages(found: dict[str, str | None]) -> list[Problem]:
    missing = [name for name, version in found.items() if version is None]
    if not missing:
        return []
    return [Problem(f"Not installed here: {', '.join(missing)}.", "Run `make install`.")]


def _model(model: dict[str, Any], hub: dict[str, Any]) -> list[Problem]:
    if model["available"]:
        return []
    if model["reason"] is None and hub["reachable"]:
        return []  # it will be fetched
    if model["reason"] is None:
        return [
            Problem(
                f"The model {model['name']} is not on this machine and {hub['reason']}.",
                "Use --model builtin (it knows drawn scenes only), --model with a local folder, or "
                "fetch the model once where the hub can be reached.",
            )
        ]
    return [Problem(model["reason"], "Name another model with --model.")]


def match_gpu(gpu: dict[str, Any], torch: dict[str, Any]) -> list[Problem]:
    """Whether GPU, driver and torch's build go together, and what to do where they don't."""
    if gpu["problem"]:
        return [
            Problem(
                f"nvidia-smi fails: {gpu['problem'].rstrip('.')}.",
                "Restart the machine; if it stays so, install the NVIDIA driver anew.",
            )
        ]
    if not gpu["gpus"]:
        return _no_gpu(gpu)
    cards = ", ".join(dict.fromkeys(card["name"] for card in gpu["gpus"]))
    if torch["cuda"] is None:
        return [
            Problem(
                f"There is a GPU ({cards}) and torch {torch['version']} is a build without CUDA.",
                "Run `make clean install GPU=1` to take the CUDA build.",
            )
        ]
    wanted = int(torch["cuda"].split(".")[0])
    served = gpu["driver_cuda"]
    if served and int(served.split(".")[0]) < wanted:
        driver = _FIRST_DRIVER.get(wanted)
        return [
            Problem(
                f"The driver {gpu['driver']} serves CUDA up to {served} and torch "
                f"{torch['version']} was built for CUDA {torch['cuda']}.",
                f"Install the NVIDIA driver {f'{driver} or ' if driver else ''}newer, or a torch "
                f"build for CUDA {served.split('.')[0]}.",
            )
        ]
    return _old_cards(gpu, torch, wanted) or _unseen(cards, torch)


def _no_gpu(gpu: dict[str, Any]) -> list[Problem]:
    if not gpu["on_bus"]:
        return []
    return [
        Problem(
            "There is an NVIDIA GPU on the bus and no driver that nvidia-smi can ask.",
            "Install the NVIDIA driver; in a container also start it with `--gpus all`.",
        )
    ]


def _old_cards(gpu: dict[str, Any], torch: dict[str, Any], wanted: int) -> list[Problem]:
    oldest = _OLDEST_COMPUTE.get(wanted, 0.0)
    old = [card for card in gpu["gpus"] if _decimal(card["compute"], oldest) < oldest]
    return [
        Problem(
            f"{card['name']} has compute capability {card['compute']}, which CUDA "
            f"{torch['cuda']} no longer serves.",
            f"Install a torch build for CUDA {wanted - 1}, or use --device cpu.",
        )
        for card in old
    ]


def _unseen(cards: str, torch: dict[str, Any]) -> list[Problem]:
    if torch["sees_gpu"] is not False:
        return []
    return [
        Problem(
            f"There is a GPU ({cards}) that fits torch {torch['version']}, which doesn't see it.",
            "Look whether CUDA_VISIBLE_DEVICES hides it, and in a container whether it was started "
            "with `--gpus all`.",
        )
    ]


def _decimal(text: str, otherwise: float) -> float:
    try:
        return float(text)
    except ValueError:
        return otherwise


def _room(facts: dict[str, Any]) -> list[Problem]:
    """Too little memory, disk or shared memory."""
    problems = [
        Problem(
            f"Only {size(place['free'])} are free at {place['path']}.",
            "Make room, or name another --workspace.",
        )
        for place in facts["disk"]
        if place["free"] is not None and place["free"] < LEAST_DISK
    ]
    memory, shared = facts["memory"], facts["shared_memory"]
    if memory["available"] < LEAST_MEMORY:
        what = f"Only {size(memory['available'])} of memory are available."
        do = "Close other programs, raise the container's limit, or set PDRAY_INGEST_ENCODERS=1."
        problems.append(Problem(what, do))
    if shared is not None and shared["free"] < LEAST_SHARED:
        what = (
            f"Only {size(shared['free'])} are free in /dev/shm, where Ray keeps what flows between "
            "processes; it would use the disk instead, which is slow."
        )
        enough = max(1, round(0.3 * memory["total"] / GIB))
        do = f"Start the container with `--shm-size={enough}g`, or remove old files there."
        problems.append(Problem(what, do))
    return problems


def size(count: int) -> str:
    """Bytes for a person, in binary units: 1.5 GiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
