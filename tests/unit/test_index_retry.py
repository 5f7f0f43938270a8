"""The retry is bounded, backs off, and asks before it tries again."""

import pytest

from pdray.index.retry import Retry


class Flaky:
    """Fails `failures` times, then answers; remembers the pauses between."""

    def __init__(self, failures: int) -> None:
        self.left, self.calls = failures, 0
        self.pauses: list[float] = []

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.left:
            raise ConnectionError(f"failure {self.calls}")
        return "answer"


def run(flaky: Flaky, least: float | None = 0.0, jitter: float = 0.0) -> str:
    retry = Retry(5, first=1, longest=6, sleep=flaky.pauses.append, jitter=lambda: jitter)
    return retry.call(flaky, lambda error: least)


def test_pauses_double_up_to_the_longest() -> None:
    flaky = Flaky(4)
    assert run(flaky) == "answer"
    assert flaky.pauses == [1, 2, 4, 6]


def test_jitter_shortens_a_pause_by_up_to_half() -> None:
    flaky = Flaky(2)
    run(flaky, jitter=1.0)
    assert flaky.pauses == [0.5, 1]


def test_the_last_error_is_raised_when_the_budget_is_spent() -> None:
    flaky = Flaky(99)
    with pytest.raises(ConnectionError, match="failure 5"):
        run(flaky)
    assert len(flaky.pauses) == 4


def test_an_error_that_another_try_cannot_help_is_raised_at_once() -> None:
    flaky = Flaky(1)
    with pytest.raises(ConnectionError):
        run(flaky, least=None)
    assert flaky.calls == 1


def test_a_pause_that_the_server_asks_for_is_kept_but_capped() -> None:
    short, long = Flaky(1), Flaky(1)
    run(short, least=3.0)
    run(long, least=3600.0)
    assert (short.pauses, long.pauses) == ([3.0], [6.0])
