"""How many threads a text gets: on idle cores, and where others want the cores."""

from pdray.models.threads import Adaptive


class Machine:
    """Whose clock says how long work takes with so many threads."""

    def __init__(self) -> None:
        self.seconds = {1: 1.0, 2: 0.6}
        self.used: list[int] = []
        self.now = 0.0

    def run(self, adaptive: Adaptive, calls: int, size: int = 1) -> list[int]:
        import torch

        def work() -> None:
            self.used.append(torch.get_num_threads())
            self.now += self.seconds[self.used[-1]] * size

        self.used = []
        for _ in range(calls):
            adaptive(size, work)
        return self.used


def test_two_threads_are_used_while_they_are_quicker_and_one_as_soon_as_they_are_not():
    machine = Machine()
    adaptive = Adaptive(2, lambda: machine.now)
    assert machine.run(adaptive, 30)[4:] == [2] * 26
    machine.seconds[2] = 10.0  # another process wants the cores
    busy = machine.run(adaptive, 200)
    assert busy.count(2) <= 8
    machine.seconds[2] = 0.6
    assert machine.run(adaptive, 300)[-20:].count(2) >= 19


def test_what_is_slower_is_tried_ever_less_often():
    machine = Machine()
    machine.seconds[2] = 10.0
    assert machine.run(Adaptive(2, lambda: machine.now), 2_000).count(2) <= 8


def test_sizes_are_judged_apart():
    machine = Machine()
    adaptive = Adaptive(2, lambda: machine.now)
    machine.run(adaptive, 10, size=1)
    machine.seconds[2] = 10.0
    machine.run(adaptive, 30, size=16)
    machine.seconds[2] = 0.6
    assert machine.run(adaptive, 5, size=1) == [2] * 5
