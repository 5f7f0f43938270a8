"""How many processes of what kind: a function of the cluster and of what the user fixed."""

from dataclasses import dataclass

_MOST_LOCAL_COPIES = 8  # of the model in memory, where CPUs run it


@dataclass(frozen=True, slots=True)
class Placement:
    """The shape of a run.

    Without GPUs each of `encoders` processes does all of a unit's work with `threads` threads: no
    pixel leaves its process, and nothing waits. With GPUs `decoders` processes feed `encoders`
    processes that hold one GPU each.
    """

    gpus: int
    encoders: int
    decoders: int
    threads: int

    @property
    def workers(self) -> int:
        """Processes that can hold a unit at a time."""
        return self.encoders + self.decoders


def place(
    cpus: int,
    gpus: int,
    *,
    encoders: int | None = None,
    decoders: int | None = None,
    threads: int | None = None,
) -> Placement:
    """Chooses what is None. cpus and gpus are the cluster's."""
    cpus = max(1, cpus)
    if gpus:
        pool = encoders or gpus
        return Placement(gpus, pool, decoders or max(1, cpus - pool), threads or 1)
    # One thread a process uses a core best; more only so that the copies of the model stay few.
    copies = encoders or (max(1, cpus // threads) if threads else min(cpus, _MOST_LOCAL_COPIES))
    return Placement(0, copies, 0, threads or max(1, cpus // copies))
