"""Images that crash, hang or eat memory, in real child processes."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pdray.images.examine import Examined
from pdray.ingest.guarded import Guard, Limits
from pdray.ingest.watchdog import Watchdog
from pdray.records import Failure, Preprocessing
from tests.decoder_faults import poisoned, write_poison

RULES = (Preprocessing(16, 16, "exact", 16),)


def picture(colour: str = "red") -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    write_poison(tmp_path, monkeypatch)
    with Guard(Limits(seconds=1.0, memory=2**30)) as guard:
        yield guard


def look(guard: Guard, data: bytes) -> Examined | Failure:
    return guard.examine("file:///p/a.png", data, RULES, thumbnail_side=16, max_pixels=10**6)


def test_a_good_image_gives_what_it_gives_elsewhere(guard: Guard) -> None:
    found = look(guard, picture())
    assert isinstance(found, Examined)
    assert (found.width, found.height) == (40, 30)
    assert found.pixels[RULES[0].pixel_key].shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ("crash", "crash", "SIGSEGV"),
        ("exit", "crash", "exit code 3"),
        ("hang", "timeout", "1 s"),
        ("memory", "memory", "1.0 GiB"),
        ("killed", "memory", "1.0 GiB"),
    ],
)
def test_a_bad_one_becomes_a_failure_and_the_next_is_looked_at(
    guard: Guard, fault: str, kind: str, said: str
) -> None:
    found = look(guard, poisoned(picture(), fault))
    assert isinstance(found, Failure)
    assert (found.stage, found.kind) == ("decode", kind)
    assert said in found.reason
    assert isinstance(look(guard, picture()), Examined)


def test_a_broken_file_keeps_its_own_reason(guard: Guard) -> None:
    found = look(guard, picture()[:60])
    assert isinstance(found, Failure)
    assert found.kind == "truncated"


def test_no_child_outlives_its_guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Guard(Limits(seconds=30.0)) as guard:
        look(guard, picture())
        child = guard._child
    assert child is not None
    assert child.returncode is not None


WATCHED = """
import sys, re, time
from pdray.ingest.watchdog import Watchdog
with Watchdog(0.4) as dog:
    for _ in range(8):
        with dog.image():
            time.sleep(0.1)
    print("well", flush=True)
    with dog.image():
        {work}
print("too far")
"""


@pytest.mark.parametrize(
    "work", ["time.sleep(60)", "re.match('(a+)+$', 'a' * 60 + 'b')"], ids=["waits", "holds-the-gil"]
)
def test_the_watchdog_ends_a_process_that_hangs(work: str) -> None:
    code = WATCHED.format(work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, text=True)
    assert done.stdout == "well\n"
    assert done.returncode in (1, 70)


def test_the_watchdog_leaves_a_process_alone_that_waits_between_images() -> None:
    with Watchdog(0.2) as dog:
        with dog.image():
            pass
        dog._over.wait(0.5)  # longer than the limit, with nothing in work
