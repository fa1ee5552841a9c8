# SPDX-License-Identifier: Apache-2.0
"""The artefacts of JPEG: cosine coefficients of 8x8 blocks, rounded as ITU-T T.81 suggests."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TO_YCC = (
    (0.114, 0.587, 0.299),
    (0.5, -0.331264, -0.168736),
    (-0.081312, -0.418688, 0.5),
)
"""From blue, green and red to luma and chroma: JFIF 1.02."""
LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Steps of quality 50: ITU-T T.81, table K.1."""
CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""Steps of quality 50: ITU-T T.81, table K.2."""


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """
    Return (N, 3, H, W) BGR pictures of 0 to 255 as a JPEG file would keep them.

    `quality` is (N, 1, 1, 1), 1 to 99, as in libjpeg; chroma is kept in full size. H and W are
    multiples of 8.
    """
    to_ycc = images.new_tensor(TO_YCC)
    cosines = _cosines().to(images)
    steps = _steps(quality)
    planes = torch.einsum('ij,njhw->nihw', to_ycc, images - 128)
    n, _, height, width = planes.shape
    blocks = planes.view(n, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = torch.round(cosines @ blocks @ cosines.T / steps) * steps
    kept = (cosines.T @ coefficients @ cosines).transpose(3, 4).reshape(planes.shape)
    return (torch.einsum('ij,njhw->nihw', to_ycc.inverse(), kept) + 128).clamp_(0, 255)


def _cosines() -> Tensor:
    """Return the orthonormal cosine transform of 8 values."""
    k, x = torch.arange(8.0)[:, None], torch.arange(8.0)
    matrix = torch.cos(math.pi * (x + 0.5) * k / 8) / 2
    matrix[0] /= math.sqrt(2)
    return matrix


def _steps(quality: Tensor) -> Tensor:
    """Return the (N, 3, 1, 1, 8, 8) steps of a quality, scaled as in libjpeg."""
    percent = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)[..., None, None]
    base = quality.new_tensor((LUMA, CHROMA, CHROMA))[:, None, None]
    return ((base * percent + 50) / 100).floor().clamp(1, 255)
