"""The shape of a run never asks Ray for more than there is: it would wait without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdray.ingest.placement import COMMIT_CPUS, EMBED_CPUS, Placement, place

COUNT = st.integers(1, 200)
CHOICE = st.none() | st.integers(1, 64)


@given(COUNT, CHOICE, CHOICE)
def test_cpu_work_always_fits_the_cluster(
    cpus: int, encoders: int | None, threads: int | None
) -> None:
    shape = place(cpus, 0, encoders=encoders, threads=threads)
    assert 0 < shape.encoder_cpus * shape.encoders <= cpus + 1e-9


@given(st.integers(2, 200), st.integers(1, 16), CHOICE)
def test_gpu_work_always_fits_the_cluster(cpus: int, gpus: int, decoders: int | None) -> None:
    shape = place(max(cpus, gpus), gpus, decoders=decoders)
    beside = (EMBED_CPUS + COMMIT_CPUS) * shape.encoders
    assert 0 < shape.decoder_cpus * shape.decoders + beside <= max(cpus, gpus) + 1e-9


@given(st.integers(1, 16), st.integers(1, 64))
def test_every_encoder_finds_a_place_on_a_gpu(gpus: int, encoders: int) -> None:
    share = place(64, gpus, encoders=encoders).encoder_gpus
    assert 0 < share <= 1
    assert gpus * int(1 / share + 1e-9) >= encoders


@pytest.mark.parametrize(
    ("cpus", "gpus", "fixed", "shape"),
    [
        (2, 0, {}, Placement(0, 2, 0, 1, 2)),
        (64, 0, {}, Placement(0, 8, 0, 8, 64)),
        (8, 0, {"threads": 4}, Placement(0, 2, 0, 4, 8)),
        (8, 0, {"encoders": 1}, Placement(0, 1, 0, 8, 8)),
        (16, 1, {}, Placement(1, 1, 15, 1, 16)),
        (16, 4, {"decoders": 3}, Placement(4, 4, 3, 1, 16)),
        (0, 0, {}, Placement(0, 1, 0, 1, 1)),
        (64, 0, {"units": 3}, Placement(0, 3, 0, 21, 64)),
        (4, 0, {"units": 0}, Placement(0, 1, 0, 4, 4)),
        (4, 0, {"units": 1, "encoders": 2}, Placement(0, 2, 0, 2, 4)),
        (16, 4, {"units": 1}, Placement(4, 4, 12, 1, 16)),
    ],
)
def test_the_machine_decides_what_the_user_leaves_open(
    cpus: int, gpus: int, fixed: dict[str, int], shape: Placement
) -> None:
    assert place(cpus, gpus, **fixed) == shape


def test_more_threads_than_cores_still_start() -> None:
    shape = place(2, 0, threads=4)
    assert (shape.threads, shape.encoder_cpus) == (4, 2)
