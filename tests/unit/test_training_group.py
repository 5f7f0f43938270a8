"""Processes that learn together take the steps that one alone would take."""

from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from pdray.evaluation.reading import Captioned, read_captions
from pdray.models.resolve import resolve
from pdray.samples.collection import write_collection
from pdray.training.clip_pupil import ClipPupil
from pdray.training.finetuning import Tuner, Tuning, prepare
from pdray.training.group import Alone, Group, Together
from pdray.training.loop import Limits
from pdray.training.pairs import split

TUNING = Tuning(batch=16, looks=1, held_out=0.2, learning_rate=1e-3)


Tensors = dict[str, torch.Tensor]


def _learned(said: list[Captioned], out: Path, group: Group) -> tuple[Tensors, Tensors]:
    """The gradients of a first step, and the weights after three."""
    torch.set_num_threads(1)
    spec, limits = resolve("builtin"), Limits(steps=3)
    pairs = [split(one, 0.2, 5) for one in prepare(spec, said[0], out, said[1], 5, TUNING)]
    # No bf16, whose sums depend on their order in the third digit.
    pupil = ClipPupil(spec, device="cpu", bf16=False)
    tuner = Tuner(pupil, pairs, 5, TUNING, limits, group)
    tuner._model.eval()
    tuner.step(0.1)
    learning = {name: p for name, p in tuner._model.named_parameters() if p.grad is not None}
    first = {name: p.grad.clone() for name, p in learning.items() if p.grad is not None}
    tuner.step(0.4)
    tuner.step(0.7)
    return first, tuner.state()["model"]


def _one(rank: int, said: list[Captioned], out: Path, meeting: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    learned = _learned(said, out, Together(torch.device("cpu")))
    torch.save(learned, out.parent / f"rank-{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.timeout(240)
def test_two_processes_learn_what_one_alone_would(tmp_path: Path) -> None:
    said = [
        read_captions(
            write_collection(tmp_path / name, 40, seed, sides=(60, 90), spanish=spanish).captions
        )
        for name, seed, spanish in (("taught", 1, True), ("rehearsed", 2, False))
    ]
    spec = resolve("builtin")
    prepare(spec, said[0], tmp_path / "both", said[1], 5, TUNING)
    multiprocessing.spawn(_one, (said, tmp_path / "both", tmp_path / "meeting"), nprocs=2)
    alone, _ = _learned(said, tmp_path / "alone", Alone())
    (first, after), (other, other_after) = (
        torch.load(tmp_path / f"rank-{rank}.pt") for rank in (0, 1)
    )
    assert first.keys() == alone.keys()
    largest = max(float(one.abs().max()) for one in alone.values())
    assert largest > 1e-3  # else there would be nothing to compare
    for name, expected in alone.items():
        assert torch.equal(first[name], other[name]), name
        torch.testing.assert_close(first[name], expected, rtol=1e-3, atol=1e-5 * largest, msg=name)
    for name, one in after.items():
        assert torch.equal(one, other_after[name]), name
