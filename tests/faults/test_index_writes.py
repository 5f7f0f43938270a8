"""Index writes that a server refuses, loses, answers too late or dies over, in runs that are killed
or not: the next run leaves the index as if every write had been answered at once.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import State, differences, flags, look, pdray, untidy
from tests.faults.plain import Call, Ended, run
from tests.faults.points import Fault
from tests.faults.trials import counted, rework
from tests.qdrant_http import Fate, QdrantHttp

UNIT = 3
UNITS = 8
TROUBLE = (Fate.REFUSED, Fate.LOST, Fate.LATE, Fate.DOWN, Fate.DOWN_AFTER)


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantHttp]:
    with QdrantHttp() as server:
        yield server


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writes") / "photos"
    count = UNIT * UNITS
    assert pdray("samples", folder, "--count", count, "--seed", 8, "--max-side", 320).code == 0
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    photos: Path, server: QdrantHttp, tmp_path_factory: pytest.TempPathFactory
) -> State:
    home = tmp_path_factory.mktemp("undisturbed")
    assert once(photos, home, Fault(str(home / "fault")), at(server, home)).code == 0
    return look(**places(server, home))


def at(server: QdrantHttp, home: Path) -> dict[str, str]:
    """The environment of a trial's runs: on the server each trial has names of its own."""
    return {
        "PDRAY_QDRANT_URL": server.url,
        "PDRAY_QDRANT_PREFIX": f"{home.name}-",
        "PDRAY_QDRANT_TIMEOUT": "1",
    }


def places(server: QdrantHttp, home: Path) -> dict[str, str]:
    """The same for those who look at the trial in this process."""
    more = {"qdrant_url": server.url, "qdrant_prefix": f"{home.name}-"}
    return flags(home / "workspace", home / "state", **more)


def once(photos: Path, home: Path, fault: Fault, environ: dict[str, str]) -> Ended:
    """A run over the folder."""
    Path(fault.folder).mkdir()
    workspace, state = str(home / "workspace"), str(home / "state")
    return run(Call(str(photos), workspace, state, fault, environ, UNIT))


def trial(
    photos: Path, undisturbed: State, server: QdrantHttp, home: Path, number: int
) -> list[str]:
    """What is wrong after a run whose writes meet trouble as the number says, every third killed
    meanwhile too, and a clean run.
    """
    rng = random.Random(number)
    fates = {write: rng.choice(TROUBLE) for write in rng.sample(range(1, UNITS + 2), 3)}
    moments = ("points sent", rng.choice(("before", "after")), rng.randint(1, UNITS - 2))
    first = Fault(str(home / "first"), *moments) if number % 3 == 2 else Fault(str(home / "first"))
    again = Fault(str(home / "again"))
    counts = counted("index writes refused, lost or late")
    before = server.writes
    server.trouble = lambda write: fates.get(write - before, Fate.ANSWERED)
    disturbed = once(photos, home, first, at(server, home))
    print(f"trial {number}: {fates}, {first}: {disturbed}")
    # A run that is alive at its end has read everything, whatever the index did.
    assert first.struck or disturbed.report["indexed"] == UNIT * UNITS, disturbed
    server.trouble = lambda write: Fate.ANSWERED
    if server.down.is_set():
        server.start()
    ended = once(photos, home, again, at(server, home))
    assert ended.code == 0, ended.error
    assert ended.report["pending"] == 0
    counts.kills, counts.rework = int(first.struck), rework([first, again])
    wrong = differences(look(**places(server, home)), undisturbed, counts)
    assert counts.rework <= UNIT
    return wrong + untidy(places(server, home), undisturbed)


def test_an_index_that_refuses_and_loses_writes_ends_as_one_that_never_did(
    photos: Path, undisturbed: State, server: QdrantHttp, tmp_path: Path
) -> None:
    assert trial(photos, undisturbed, server, tmp_path, 2) == []


@pytest.mark.faults
@pytest.mark.parametrize("number", [0, 1, *range(3, 12)])
def test_no_trouble_of_the_index_leaves_a_trace(
    photos: Path, undisturbed: State, server: QdrantHttp, tmp_path: Path, number: int
) -> None:
    assert trial(photos, undisturbed, server, tmp_path, number) == []
