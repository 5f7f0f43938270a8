"""How many processes of what kind: a function of the cluster and of what the user fixed."""

import math
from dataclasses import dataclass

_MOST_LOCAL_COPIES = 8  # of the model in memory, where CPUs run it
# Of the free CPUs of a cluster that others use too: what they start later wants to be placed as
# well, such as more replicas of a server.
SHARE = 0.75
_LEAST_ASKED = 0.1
# What the processes beside the decoders ask of the CPUs where GPUs do the work. The shares differ,
# because equal ones make Ray fuse two stages into one process.
EMBED_CPUS = 0.25
CAPTION_CPUS = 0.2
COMMIT_CPUS = 0.1


@dataclass(frozen=True, slots=True)
class Placement:
    """The shape of a run.

    Without GPUs each of `encoders` processes does all of a unit's work with `threads` threads: no
    pixel leaves its process, and nothing waits. With GPUs `decoders` processes feed `encoders`
    processes that hold one GPU each, or share it. `cpus` are those of the cluster that the run may
    ask for, 0 where they don't matter. `captioners` describe what the encoders have embedded, on
    the same cores or GPUs; 0 where nothing is described.
    """

    gpus: int
    encoders: int
    decoders: int
    threads: int
    cpus: float = 0
    captioners: int = 0

    @property
    def workers(self) -> int:
        """Processes that can hold a unit at a time."""
        return self.encoders + self.decoders + self.captioners

    @property
    def encoder_cpus(self) -> float:
        """What one encoder asks of Ray where CPUs do the work: never more than there is, because
        Ray waits without end for what can't be had.
        """
        return _share(self.threads, self.cpus, self.encoders + self.captioners)

    @property
    def captioner_cpus(self) -> float:
        """The same of one captioner: a little less, because equal shares make Ray fuse stages."""
        return max(0.01, round(0.9 * self.encoder_cpus, 2))

    @property
    def decoder_cpus(self) -> float:
        """What one decoder asks of Ray; the encoders and committers fit beside all of them."""
        taken = (EMBED_CPUS + COMMIT_CPUS) * self.encoders + CAPTION_CPUS * self.captioners
        return _share(1, max(0.1, self.cpus - taken) if self.cpus else 0, self.decoders)

    @property
    def encoder_gpus(self) -> float:
        """What one encoder, or captioner, asks of Ray: a GPU, or a part of one that divides it."""
        processes = self.encoders + self.captioners
        return 1.0 if processes <= self.gpus else 1 / -(-processes // self.gpus)


def place(
    cpus: int,
    gpus: int,
    *,
    encoders: int | None = None,
    decoders: int | None = None,
    threads: int | None = None,
    free: float | None = None,
    units: int | None = None,
    captions: bool = False,
) -> Placement:
    """Chooses what is None. cpus and gpus are the cluster's; `free` those CPUs that nobody holds,
    where others work on it too. The run has as many processes as the cluster has room for, and asks
    for no more than its share of what is free. Where CPUs do the work it has no more processes than
    `units`: one with nothing to do costs seconds to start. With `captions` there is a captioner for
    each encoder.
    """
    cpus = max(1, cpus)
    asked = cpus if free is None else min(cpus, max(_LEAST_ASKED, SHARE * free))
    if gpus:
        pool = encoders or gpus
        cores = decoders or max(1, cpus - pool)
        return Placement(gpus, pool, cores, threads or 1, asked, pool if captions else 0)
    # One thread a process uses a core best; more only so that the copies of the model stay few.
    room = max(1, cpus // threads) if threads else min(cpus, _MOST_LOCAL_COPIES)
    copies = encoders or (room if units is None else max(1, min(room, units)))
    threads = threads or max(1, cpus // copies)
    return Placement(0, copies, 0, threads, asked, copies if captions else 0)


def _share(wanted: float, available: float, processes: int) -> float:
    """`wanted`, or what is left for each process in hundredths, rounded down."""
    if not available or wanted * processes <= available:
        return wanted
    return max(0.01, math.floor(100 * available / processes) / 100)
