"""The patch embedding over uint8 pixels as they are: the normalisation is in the weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

# Subtracted before the product, exact in bf16: of a picture's mean level the rounded weights would
# make an error of its own.
_MIDDLE = 120


class Patches(nn.Module):
    """Takes the place of a tower's convolution, which must not overlap, on CPUs.

    One product instead of a convolution, and no pass over float pixels before it. Not in 8 bits:
    over an even area one pixel's rounding error adds up a thousand times, which took half of all
    agreement and gave 2% of the speed.
    """

    def __init__(
        self, layer: nn.Conv2d, mean: Iterable[float], std: Iterable[float], dtype: torch.dtype
    ) -> None:
        super().__init__()
        self._side, self._dtype = int(layer.kernel_size[0]), dtype
        # transformers casts the pixels to the type of this before it calls.
        self.weight = nn.Parameter(torch.empty(0, dtype=torch.uint8), requires_grad=False)
        means, deviations = torch.tensor(tuple(mean)), torch.tensor(tuple(std))
        weight = layer.weight.float()
        shift = (weight * ((_MIDDLE / 255 - means) / deviations).view(1, 3, 1, 1)).sum((1, 2, 3))
        bias = shift if layer.bias is None else shift + layer.bias.float()
        self._bias = bias.to(dtype)
        scaled = (weight / (255 * deviations).view(1, 3, 1, 1)).permute(0, 2, 3, 1)
        self._weights = scaled.reshape(len(scaled), -1).to(dtype)

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, h, w), in channels-last memory, to (n, width, h / side, w / side)."""
        n, channels, height, width = pixels.shape
        side, across, down = self._side, width // self._side, height // self._side
        whole = pixels[:, :, : down * side, : across * side].permute(0, 2, 3, 1)
        rows = whole.reshape(n, down, side, across, side * channels).transpose(2, 3)
        patches = rows.reshape(n * down * across, -1).to(self._dtype).sub_(_MIDDLE)
        result = nn.functional.linear(patches, self._weights, self._bias)
        return result.view(n, down, across, -1).permute(0, 3, 1, 2)
