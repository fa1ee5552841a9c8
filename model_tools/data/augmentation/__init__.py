# SPDX-License-Identifier: Apache-2.0
"""Random geometry and looks, computed in batches on the training device."""

from __future__ import annotations

from model_tools.data.augmentation.settings import TRAINING, Augmentation

__all__ = ['TRAINING', 'Augmentation']
