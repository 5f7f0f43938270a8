"""What a captioner is asked beside its captions while it learns: what each patch shows, and what
the background is. Captions alone teach shapes slowly; the answers are known, since we drew the
scenes. No torch here: the process that draws knows the answers too.
"""

import numpy as np
from numpy.typing import NDArray

from pdray.samples.drawing import positions
from pdray.samples.scene import COLOURS, GROUNDS, SHAPES, Scene

# Classes of a patch: shapes and colours with one for "no thing here"; of a picture: the ground's
# kind, its first colour, its second with one for "none".
PATCH_CLASSES = (len(SHAPES) + 1, len(COLOURS) + 1)
GROUND_CLASSES = (len(GROUNDS), len(COLOURS), len(COLOURS) + 1)


def patch_answers(scene: Scene, grid: int) -> NDArray[np.uint8]:
    """(grid * grid, 2): shape and colour at each patch of a square picture, the last class of
    each where no thing lies. A thing answers for patches whose centre its circle covers and for
    the one that its own centre is in; what is drawn later wins."""
    shape = np.full((grid, grid), len(SHAPES), np.uint8)
    colour = np.full((grid, grid), len(COLOURS), np.uint8)
    middles = (np.arange(grid) + 0.5) / grid
    for thing, (x, y), diameter in positions(scene):
        far = np.hypot(middles[None, :] - x, middles[:, None] - y)
        covered = far < diameter * 0.45
        covered[min(int(y * grid), grid - 1), min(int(x * grid), grid - 1)] = True
        shape[covered] = SHAPES.index(thing.shape)
        colour[covered] = tuple(COLOURS).index(thing.colour)
    return np.stack([shape.ravel(), colour.ravel()], axis=1)


def ground_answers(scene: Scene) -> tuple[int, int, int]:
    """The class of each of GROUND_CLASSES."""
    colours, ground = tuple(COLOURS), scene.ground
    second = colours.index(ground.second) if ground.second else len(colours)
    return GROUNDS.index(ground.kind), colours.index(ground.first), second
