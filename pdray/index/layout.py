"""How a server keeps a collection: what is in memory, in how many shards and copies.

Chosen by the number of images that it is meant for. At 512 dimensions, bytes an image:

    vector, fp16                 2 x 512            = 1,024
    the same in int8                 512            =   512
    the same in one bit a value      512 / 8        =    64
    graph, m = 16                2 x 16 x 4 x 1.1   =   141   (links of the lowest level, 4 bytes
                                                              each; the levels above are a tenth)
"""

import math
from dataclasses import dataclass
from typing import Literal

Quantisation = Literal["none", "int8", "binary"]

_IN_MEMORY = 1_000_000  # images up to which vectors are whole in memory: 1.2 GB
_INT8 = 100_000_000  # up to which a byte a value is: 65 GB with the graph
_A_SHARD = 20_000_000  # images: 13 GB of int8 vectors and graph
_LINKS, _LEVELS = 2 * 16 * 4, 1.1


@dataclass(frozen=True, slots=True)
class Layout:
    """What a collection is made with. Only making it anew changes all of it."""

    shards: int = 1
    replicas: int = 1
    write_consistency: int = 1
    quantisation: Quantisation = "none"
    on_disk: bool = False  # the vectors as they are, of which quantised ones are copies

    def memory(self, images: int, dim: int) -> int:
        """Bytes that vectors and graph take in memory, over all nodes."""
        a_value = {"none": 2.0, "int8": 1.0, "binary": 1 / 8}[self.quantisation]
        vectors = 0.0 if self.on_disk and self.quantisation == "none" else a_value * dim
        whole = 0 if self.on_disk or self.quantisation == "none" else 2 * dim
        return round(images * self.replicas * (vectors + whole + _LINKS * _LEVELS))

    def disk(self, images: int, dim: int) -> int:
        """Bytes that vectors and graph take on disk, over all nodes."""
        copies = {"none": 0.0, "int8": 1.0, "binary": 1 / 8}[self.quantisation]
        return round(images * self.replicas * ((2 + copies) * dim + _LINKS * _LEVELS))


def choose(
    images: int,
    *,
    shards: int | None = None,
    replicas: int = 1,
    write_consistency: int = 1,
    quantisation: Quantisation | Literal["auto"] = "auto",
    memory: Literal["auto", "ram", "disk"] = "auto",
) -> Layout:
    """The layout for so many images; what is given counts, the rest follows from the number."""
    chosen: Quantisation
    if quantisation != "auto":
        chosen = quantisation
    elif images <= _IN_MEMORY:
        chosen = "none"
    else:
        chosen = "int8" if images <= _INT8 else "binary"
    on_disk = images > _IN_MEMORY if memory == "auto" else memory == "disk"
    pieces = shards or max(1, math.ceil(images / _A_SHARD))
    return Layout(pieces, replicas, write_consistency, chosen, on_disk)
