# SPDX-License-Identifier: Apache-2.0
"""Light, weather, lens, sensor and file: changes of the picture that move nothing.

Each look takes (N, 3, H, W) float BGR of 0 to 255, and one value a picture, (N, 1, 1, 1), for each
of its parameters; it returns new pictures of 0 to 255. Places are shares of the picture's sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model_tools.data.augmentation.jpeg import jpeg
from model_tools.data.augmentation.settings import Augmentation

GREY = (0.114, 0.587, 0.299)
"""Luminance of blue, green and red: ITU-R BT.601."""
HORIZON = 0.42
"""Row where roads end in the pictures of most cars, as a share of the height."""
BLUR_REACH = 4
"""Pixels to either side that a blur mixes: 2.5 of its greatest standard deviations."""


def colour(
    images: Tensor, gamma: Tensor, blue: Tensor, green: Tensor, red: Tensor, saturation: Tensor
) -> Tensor:
    """Change exposure, white balance and saturation."""
    tone = _tone(images, gamma).mul_(torch.cat((blue, green, red), 1))
    grey = sum(weight * plane for weight, plane in zip(GREY, tone.split(1, 1), strict=True))
    return torch.lerp(grey, tone, saturation).clamp_(0, 255)


def night(
    images: Tensor, darkness: Tensor, gamma: Tensor, lamp: Tensor, aim: Tensor, warmth: Tensor
) -> Tensor:
    """Turn day into night: black sky, own headlamps on the road, bluish or warm rest light."""
    x, y = _coordinates(images)
    sky = (y / HORIZON).clamp(0.25, 1.0)
    beam = torch.exp(-(((x - aim) / 0.4) ** 2) - ((y - 0.78) / 0.24) ** 2)
    tint = torch.cat((1 - 0.3 * warmth, torch.ones_like(warmth), 1 + 0.2 * warmth), 1)
    dark = _tone(images, gamma).mul_(sky * tint + lamp * beam)
    # A camera exposes longer at night: what counts is how much darker the picture is as a whole.
    gain = (1 - darkness) * _mean(images) / _mean(dark).clamp(min=1e-6)
    return dark.mul_(gain).clamp_(0, 255)


def rain(
    images: Tensor, amount: Tensor, length: Tensor, slope: Tensor, left: Tensor, top: Tensor
) -> Tensor:
    """Draw bright streaks of `length` pixels, and take contrast away."""
    x, y = _coordinates(images)
    height, width = images.shape[2:]
    grain = _grain(images.device)
    column = left + (x * width - slope * y * height) / 1.2
    row = top + y * height / length
    drops = _sample(grain[:1], column, row)
    veiled = torch.lerp(images, images.new_full((), 150.0), 0.25 * amount)
    return (veiled + 110 * amount * (drops - 1.2).clamp_(0, 1)).clamp_(0, 255)


def fog(images: Tensor, density: Tensor, light: Tensor) -> Tensor:
    """Mix in grey by distance (Koschmieder's law), which grows towards the horizon on a plane."""
    _, y = _coordinates(images)
    distance = 0.1 / (0.1 + (y - HORIZON).clamp(min=0))
    return torch.lerp(light, images, torch.exp(-density * distance))


def glare(images: Tensor, x: Tensor, y: Tensor, radius: Tensor, strength: Tensor) -> Tensor:
    """Add the disc and the veil of a low sun or a lamp; light adds up to white."""
    columns, rows = _coordinates(images)
    aspect = images.shape[2] / images.shape[3]
    squared = ((columns - x) ** 2 + ((rows - y) * aspect) ** 2) / radius**2
    light = strength * (0.75 * torch.exp(-squared / 2) + 0.25 / (1 + squared))
    return 255 - (255 - images) * (1 - light)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur as a Gaussian of standard deviation `sigma`, pixels, does."""
    steps = torch.arange(-BLUR_REACH, BLUR_REACH + 1, device=images.device)
    weights = torch.exp(-((steps / sigma) ** 2) / 2)
    weights = weights / weights.sum(3, keepdim=True)
    # Sums of shifted pictures: a convolution may round differently with the number of pictures.
    for axis, reach in ((3, (BLUR_REACH, BLUR_REACH, 0, 0)), (2, (0, 0, BLUR_REACH, BLUR_REACH))):
        padded, size = F.pad(images, reach, mode='replicate'), images.shape[axis]
        images = torch.zeros_like(images)
        for step, weight in enumerate(weights.split(1, 3)):
            images.addcmul_(padded.narrow(axis, step, size), weight)
    return images.clamp_(0, 255)


def noise(images: Tensor, deviation: Tensor, left: Tensor, top: Tensor) -> Tensor:
    """Add the grain of a sensor at high gain."""
    grain = _grain(images.device)
    rows = torch.arange(images.shape[2], device=images.device)[:, None] + top[:, 0].long()
    columns = torch.arange(images.shape[3], device=images.device) + left[:, 0].long()
    field = grain[:, rows % grain.shape[1], columns % grain.shape[2]].transpose(0, 1)
    return (images + deviation * field).clamp_(0, 255)


class Look(NamedTuple):
    """A change and the ranges of its parameters, each drawn evenly."""

    change: Callable[..., Tensor]
    ranges: tuple[tuple[float, float], ...]


_ANYWHERE = ((0.0, 512.0), (0.0, 512.0))
LOOKS = {
    'colour': Look(colour, ((0.7, 1.5), *((0.85, 1.15),) * 3, (0.2, 1.3))),
    'night': Look(night, ((0.4, 0.7), (1.0, 1.8), (0.5, 3.0), (0.4, 0.6), (-1.0, 1.0))),
    'rain': Look(rain, ((0.5, 1.0), (12.0, 40.0), (-0.3, 0.3), *_ANYWHERE)),
    'fog': Look(fog, ((0.4, 1.6), (150.0, 230.0))),
    'glare': Look(glare, ((0.0, 1.0), (0.0, 0.45), (0.04, 0.2), (0.5, 1.0))),
    'blur': Look(blur, ((0.6, 1.6),)),
    'noise': Look(noise, ((3.0, 12.0), *_ANYWHERE)),
    'jpeg': Look(jpeg, ((15.0, 60.0),)),
}
"""By the setting that holds the probability, in the order in which light meets the causes."""

Drawn = Mapping[str, Sequence[float]]
"""The looks of a picture: parameters by name."""


def draw_looks(augmentation: Augmentation, rng: np.random.Generator) -> Drawn:
    """Draw which looks a picture gets, and how strong they are."""
    drawn = {}
    for name, look in LOOKS.items():
        # Drawn in any case: a changed probability must not change the other looks.
        chance, values = rng.random(), rng.uniform(*np.transpose(look.ranges)).tolist()
        if chance < getattr(augmentation, name):
            drawn[name] = values
    return drawn


def apply_looks(images: Tensor, drawn: Sequence[Drawn]) -> None:
    """Change (N, 3, H, W) float pictures of 0 to 255 in place, each by its own looks."""
    for name, look in LOOKS.items():
        chosen = [i for i, looks in enumerate(drawn) if name in looks]
        if chosen:
            values = images.new_tensor([drawn[i][name] for i in chosen])
            parameters = values[..., None, None, None].unbind(1)
            # A slice spares a copy, above all on a CPU, which paints few pictures at a time.
            part = slice(None) if len(chosen) == len(images) else chosen
            images[part] = look.change(images[part], *parameters)


def _tone(images: Tensor, gamma: Tensor) -> Tensor:
    return (images / 255).pow_(gamma).mul_(255)


def _mean(images: Tensor) -> Tensor:
    # Summed up in doubles, so that the number of threads cannot be seen in the result.
    return images.mean((1, 2, 3), keepdim=True, dtype=torch.float64).float()


def _coordinates(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return x (W,) and y (H, 1) of the pixels' centres, 0 to 1."""
    height, width = images.shape[2:]
    x = (torch.arange(width, device=images.device) + 0.5) / width
    y = (torch.arange(height, device=images.device) + 0.5) / height
    return x, y[:, None]


@cache
def _grain(device: torch.device) -> Tensor:
    """Return (3, 512, 1024) normal noise, the same on every device; pictures show parts of it."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 512, 1024, generator=generator).to(device)


def _sample(plane: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the values of a (1, H, W) plane at pixels (N, 1, h, w), mirrored at its borders."""
    height, width = plane.shape[1:]
    x, y = torch.broadcast_tensors(x[:, 0] * 2 / width - 1, y[:, 0] * 2 / height - 1)
    field = plane.expand(len(x), 1, height, width)
    return F.grid_sample(
        field, torch.stack((x, y), -1), padding_mode='reflection', align_corners=False
    )
