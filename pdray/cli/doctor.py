"""The machine in words: what is here, what a run would use and why, what to do about the rest."""

import platform
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pdray.cli import machine
from pdray.cli.advice import advise, size
from pdray.config import DEFAULT_MODEL, Settings
from pdray.config.kinds import URL
from pdray.errors import PdrayError

if TYPE_CHECKING:
    from rich.console import RenderableType

HUB_SECONDS = 3.0


def examine(settings: Settings, *, collection_model: str | None = None) -> dict[str, Any]:
    """Facts as one JSON document, with "problems": [{"what", "do"}], the gravest first.

    `collection_model` is the name of the model that the collection was indexed with, if it was.
    Nothing is downloaded or written, Ray is not started; torch is imported to choose the precision.
    Sizes are bytes.
    """
    facts: dict[str, Any] = {
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "os": platform.platform(),
        "packages": machine.packages(),
        "cpu": machine.cpu(),
        "memory": machine.memory(),
        "disk": _disk(settings),
        "shared_memory": machine.shared_memory(),
        "gpu": machine.gpus(),
        "torch": machine.torch_build(),
        "hub": _hub(settings.offline),
        "model": _model(settings, collection_model),
    }
    chosen = _precision(settings)
    trouble = chosen.pop("problem")
    facts["torch"]["sees_gpu"] = chosen.pop("sees_gpu")
    facts["precision"] = chosen
    found = [problem._asdict() for problem in advise(facts)]
    facts["problems"] = [trouble, *found] if trouble else found
    return facts


def _disk(settings: Settings) -> list[dict[str, Any]]:
    local = [] if URL.match(settings.workspace) else [Path(settings.workspace)]
    state = [] if local and settings.state_dir.is_relative_to(local[0]) else [settings.state_dir]
    return [{"path": str(path), "free": machine.free_disk(path)} for path in (*local, *state)]


def _hub(offline: bool) -> dict[str, Any]:
    """Where the hub is and whether it answers within seconds, and what the local cache holds."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    facts: dict[str, Any] = {
        "endpoint": constants.ENDPOINT,
        "cache": str(cache),
        "cached_models": sorted(
            folder.name.removeprefix("models--").replace("--", "/")
            for folder in (cache.iterdir() if cache.is_dir() else ())
            if folder.name.startswith("models--")
        ),
    }
    if offline or constants.HF_HUB_OFFLINE:
        return {**facts, "reachable": False, "reason": "the hub is not asked (offline)"}
    trouble = _ask(constants.ENDPOINT)
    if trouble is None:
        return {**facts, "reachable": True, "reason": None}
    return {**facts, "reachable": False, "reason": f"the hub can't be reached ({trouble})"}


def _ask(endpoint: str) -> str | None:
    """None where the endpoint answers in time, else why not, in a word."""
    from huggingface_hub import get_session

    outcome: list[str | None] = []

    def head() -> None:
        try:
            answer = get_session().head(endpoint, timeout=HUB_SECONDS)
            outcome.append(f"HTTP {answer.status_code}" if answer.status_code >= 500 else None)
        except Exception as error:
            # The hub's client passes on the exceptions of whichever HTTP library it uses.
            outcome.append(type(error).__name__)

    # A resolver that hangs heeds no timeout of HTTP's, so the wait is bounded here.
    asking = threading.Thread(target=head, daemon=True)
    asking.start()
    asking.join(HUB_SECONDS + 0.5)
    return outcome[0] if outcome else "no answer in time"


def _model(settings: Settings, collection_model: str | None) -> dict[str, Any]:
    """Which model a run would use, why, and whether its files are here; `reason` says why one that
    can't be fetched either is of no use.
    """
    from pdray.models.hub import is_hub_name
    from pdray.models.resolve import resolve

    if settings.model:
        name, why = settings.model, "it was asked for"
    elif collection_model:
        name, why = collection_model, f"the collection {settings.collection} was indexed with it"
    else:
        name, why = DEFAULT_MODEL, "it is the default"
    facts = {"name": name, "why": why, "available": True, "reason": None, "dim": None, "type": None}
    try:
        spec = resolve(name, offline=True)
    except PdrayError as error:
        fetchable = is_hub_name(name) and not Path(name).expanduser().is_dir()
        return {**facts, "available": False, "reason": None if fetchable else str(error)}
    return {**facts, "dim": spec.dim, "type": spec.model_type}


def _precision(settings: Settings) -> dict[str, Any]:
    """Device and number format that a run would use, and why; with `problem` where torch fails."""
    facts: dict[str, Any] = {"device": None, "precision": None, "why": None, "sees_gpu": None}
    try:
        from pdray.models.precision import choose, choose_device

        sees_gpu = choose_device("auto").startswith("cuda")
        choice = choose(settings.device, settings.precision)
        device = choose_device(settings.device)
    except PdrayError as error:
        problem = {"what": str(error), "do": "Name another --device or --precision."}
        return {**facts, "sees_gpu": False, "problem": problem}
    except (ImportError, OSError, RuntimeError) as error:  # a broken build: missing libraries
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        problem = {"what": f"torch can't be used: {line}.", "do": "Run `make clean install`."}
        return {**facts, "problem": problem}
    return {
        "device": device,
        "precision": choice.precision,
        "why": choice.why,
        "sees_gpu": sees_gpu,
        "problem": None,
    }


def lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """(topic, words) of every fact, in reading order."""
    cpu, memory, shared = facts["cpu"], facts["memory"], facts["shared_memory"]
    told = [
        ("Python", f"{facts['python']['version']} at {facts['python']['executable']}"),
        ("System", facts["os"]),
        ("Packages", ", ".join(f"{n} {v or 'missing'}" for n, v in facts["packages"].items())),
        ("CPU", f"{cpu['model']}; {' '.join(cpu['flags']) or 'no flags that matter'}"),
        ("Cores", f"{cpu['usable_cores']:g} usable of {cpu['cores']}"),
        ("Memory", f"{size(memory['available'])} available of {size(memory['total'])}"),
    ]
    told += [
        ("Disk", f"{'?' if d['free'] is None else size(d['free'])} free at {d['path']}")
        for d in facts["disk"]
    ]
    if shared:
        told.append(("/dev/shm", f"{size(shared['free'])} free of {size(shared['total'])}"))
    return [*told, *_gpu_lines(facts), *_model_lines(facts)]


def _gpu_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    gpu, torch = facts["gpu"], facts["torch"]
    told = [
        ("GPU", f"{g['name']}, {size(g['memory']) if g['memory'] else '?'}, {g['compute']}")
        for g in gpu["gpus"]
    ] or [("GPU", "none")]
    if gpu["driver"]:
        told.append(("Driver", f"{gpu['driver']}, serves CUDA up to {gpu['driver_cuda'] or '?'}"))
    build = f"built for CUDA {torch['cuda']}" if torch["cuda"] else "built without CUDA"
    return [*told, ("torch", f"{torch['version'] or 'missing'}, {build}")]


def _model_lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    hub, model, chosen = facts["hub"], facts["model"], facts["precision"]
    cached = ", ".join(hub["cached_models"]) or "no models"
    state = "is here" if model["available"] else "is not on this machine"
    return [
        ("Hub", f"{hub['endpoint']} answers" if hub["reachable"] else hub["reason"]),
        ("Hub cache", f"{hub['cache']}: {cached}"),
        ("Model", f"{model['name']}, because {model['why']}; it {state}"),
        (
            "Precision",
            f"{chosen['precision']} on {chosen['device']}: {chosen['why']}"
            if chosen["precision"]
            else "unknown, because torch can't be used as asked",
        ),
    ]


def describe(facts: dict[str, Any]) -> "RenderableType":
    """The facts of `examine` for a terminal: a table, then each problem with what to do."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for topic, words in lines(facts):
        table.add_row(Text(topic, "bold"), Text(words))
    if not facts["problems"]:
        return Group(table, Text("\nNothing stands in the way.", "green"))
    told = [
        Text.assemble("\n", ("! ", "bold yellow"), problem["what"], "\n  ", (problem["do"], "cyan"))
        for problem in facts["problems"]
    ]
    return Group(table, *told)
