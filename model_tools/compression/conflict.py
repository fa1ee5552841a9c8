# SPDX-License-Identifier: Apache-2.0
"""How much the tasks pull a filter in opposite directions."""

from __future__ import annotations

import torch
from torch import Tensor


def conflict(gradients: Tensor) -> Tensor:
    """Return (C,), 0..1: the strongest disagreement of two tasks about each filter.

    `max over i < j of max(0, -cos(g_i, g_j)) * |g_i| |g_j| / max_t |g_t|^2` (reconstruction of
    arXiv 2511.05557). The second factor silences a strong gradient against a negligible one, for
    which the sign of the cosine is noise; the norms in it cancel those in the cosine. A filter
    that no task moves has no conflict.

    Args:
        gradients: (T, C, D), of each task's loss by the D weights of each of C filters.

    """
    by_filter = gradients.transpose(0, 1)
    products = by_filter @ by_filter.mT  # (C, T, T)
    opposed = (-products).clamp(min=0).amax((1, 2))
    strongest = products.diagonal(dim1=1, dim2=2).amax(1)
    return torch.where(strongest > 0, opposed / strongest, 0.0).clamp(max=1)
