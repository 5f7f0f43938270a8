"""`pdray plan`: how a sample is drawn, and what follows from what it cost."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pdray.cli.app import app
from pdray.errors import SourceError
from pdray.index.layout import choose
from pdray.ingest.predicting import Machine, Prediction, predict
from pdray.ingest.sampling import BLOCK, Drawn, Measured, UnitCost, draw
from pdray.models.cards import transformer_flops
from pdray.records import ImageRef
from pdray.sources.opening import open_source
from pdray.sources.protocol import Listing, Unreadable


class Many:
    """A source with so many images, and a folder that can't be listed."""

    root = "file:///many/"

    def __init__(self, images: int) -> None:
        self.images = images

    def list(self) -> Listing:
        def walk(_: Listing) -> Any:
            for number in range(self.images):
                yield ImageRef(f"{self.root}{number:06d}.jpg", 1000, "v")
            yield Unreadable(f"{self.root}closed/", "Permission denied.")

        return Listing(walk)


def _quiet(_: object) -> None:
    pass


def test_every_image_is_as_likely_to_be_drawn() -> None:
    images, wanted = 40 * BLOCK, 8 * BLOCK
    drawn = [draw([Many(images)], wanted, None, _quiet, seed) for seed in range(300)]  # type: ignore[list-item]
    counts = Counter(ref.uri for one in drawn for block in one.blocks for _, ref in block)
    assert len(counts) == images
    # 60 times each, as far as chance has it: a standard deviation is 6.9.
    assert min(counts.values()) > 60 - 35
    assert max(counts.values()) < 60 + 35
    one = drawn[0]
    assert (one.images, one.size, one.unlisted, one.complete) == (images, 1000 * images, 1, True)
    for block in one.blocks:  # neighbours stay together
        numbers = [int(ref.uri[-10:-4]) for _, ref in block]
        assert numbers == list(range(numbers[0], numbers[0] + BLOCK))


def test_a_listing_that_was_cut_short_says_so(tmp_path: Path) -> None:
    short = draw([Many(100)], 16, 50, _quiet)  # type: ignore[list-item]
    assert (short.images, short.complete) == (50, False)
    assert draw([Many(100)], 16, 101, _quiet).complete  # type: ignore[list-item]
    with pytest.raises(SourceError, match="no images in"):
        draw([open_source(str(tmp_path))], 16, None, _quiet)


def _measured(units: list[UnitCost], **given: Any) -> Measured:
    told: dict[str, Any] = {
        "model": "m", "dim": 512, "device": "cpu", "cores": 2, "workers": 2, "threads": 1,
        "images": sum(unit.images for unit in units), "failed": 0, "units": units,
        "read_seconds": 0.001, "read_bytes": 1e5, "index_seconds": 0.0005,
        "startup_seconds": 10.0, "finish_seconds": 2.0, "steady": 100.0,
        "stored": {"thumbnails": 8000.0, "rows": 100.0},
    }  # fmt: skip
    return Measured(**{**told, **given})


# Ten milliseconds an image: 6 to decode, 4 to embed.
_EVEN = [UnitCost(100, {"decode": 0.6, "embed": 0.4}) for _ in range(8)]
_DRAWN = Drawn(images=1000, size=10**8, unlisted=0, seconds=0.1, complete=True, blocks=[])


def _predict(measured: Measured, machine: Machine, images: int = 10_000) -> Prediction:
    return predict(_DRAWN, measured, machine, choose(images), images, graph=True)


def test_here_a_run_is_the_sample_drawn_out() -> None:
    found = _predict(_measured(_EVEN), Machine(0, 2, hourly=3.6))
    assert found.steady[1] == pytest.approx(200 * 0.98)
    # The listing's rate, 10 µs of planning, the start, the images, the end.
    assert found.seconds[1] == pytest.approx(1 + 0.1 + 10 + 10_000 / 196 + 2)
    assert found.seconds[0] < found.seconds[1] < found.seconds[2]
    assert found.binds == "decode"
    assert found.storage["thumbnails"] == 80e6
    assert found.cost is not None
    assert found.cost[1] == pytest.approx(found.seconds[1] / 1000)
    assert _predict(_measured(_EVEN), Machine(0, 4)).steady[1] == pytest.approx(2 * 196)


def test_units_that_differ_widen_the_bars() -> None:
    odd = [UnitCost(100, {"decode": 0.2 + 0.2 * number, "embed": 0.4}) for number in range(8)]
    even, wide = (_predict(_measured(one), Machine(0, 2)) for one in (_EVEN, odd))
    spans = [found.seconds[2] / found.seconds[0] for found in (even, wide)]
    assert spans[1] > 1.3 * spans[0]


def test_of_gpus_the_slowest_stage_sets_the_pace() -> None:
    units = [UnitCost(100, {"decode": 0.6, "embed": 5.0, "commit": 0.01}) for _ in range(8)]
    measured = _measured(units, index_seconds=0.0001)
    few = _predict(measured, Machine(2, 4, (900, 1000, 1100)))
    assert few.binds == "decode"  # two cores are left for it: 2 / 6 ms
    assert few.steady[1] == pytest.approx(2 / 0.006)
    many = _predict(measured, Machine(2, 64, (900, 1000, 1100)))
    assert many.binds == "embed"  # not what embedding took here
    assert many.steady == pytest.approx((1800, 2000, 2200))
    slow = _predict(_measured(units, index_seconds=0.001), Machine(2, 64, (900, 1000, 1100)))
    assert slow.binds == "index"
    assert any("arithmetic" in note for note in many.notes)


def test_the_embedded_index_builds_its_graph_at_the_end() -> None:
    assert "graph" not in _predict(_measured(_EVEN), Machine(0, 2)).phases
    large = _predict(_measured(_EVEN), Machine(0, 2), 1_000_000)
    assert large.phases["graph"] == pytest.approx(600)


def test_flops_are_those_that_papers_state() -> None:
    base = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    b32 = transformer_flops({**base, "image_size": 224, "patch_size": 32})
    b16 = transformer_flops({**base, "image_size": 224, "patch_size": 16})
    large = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
    l14 = transformer_flops({**large, "image_size": 224, "patch_size": 14})
    # open_clip's table of profiles: GFLOP of the image tower, a multiplication with its addition.
    assert b32 == pytest.approx(2 * 4.4e9, rel=0.03)
    assert b16 == pytest.approx(2 * 17.6e9, rel=0.03)
    assert l14 == pytest.approx(2 * 81e9, rel=0.03)
    assert transformer_flops({"depths": [3, 4], "hidden_sizes": [2, 3]}) is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gpu", "l4"], "Add --gpus N"),
        (["--gpus", "2", "--gpu", "voodoo2"], "The card voodoo2 is not known: name one of t4"),
        (["--captioner", "builtin"], "add --captions"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_read(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    done = CliRunner().invoke(app, ["plan", str(tmp_path), "--model", "builtin", *words])
    assert sentence in str(done.exception)
    assert not list(tmp_path.iterdir())
