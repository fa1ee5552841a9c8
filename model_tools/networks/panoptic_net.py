# SPDX-License-Identifier: Apache-2.0
"""The multi-task network and the width table it is built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from model_tools.networks.backbone import Backbone
from model_tools.networks.encoder import Encoder
from model_tools.networks.heads import DetectionHead, DetectionOutput, SegmentationHead


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and depths of a PanopticNet; it travels with every checkpoint."""

    labels: tuple[str, ...] = ('vehicle', 'person', 'cycle')
    backbone_widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)
    backbone_depths: tuple[int, int, int, int] = (1, 3, 3, 1)
    encoder_depth: int = 1
    detection_width: int = 64
    segmentation_width: int = 32

    def to_dict(self) -> dict[str, object]:
        """Return plain values, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Rebuild a config from `to_dict`; unknown keys raise TypeError."""
        fixed: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**fixed)


class NetworkOutput(NamedTuple):
    """What the network says of a batch."""

    detection: DetectionOutput
    drivable: torch.Tensor
    """(N, 1, H / 4, W / 4) logits."""
    lane: torch.Tensor
    """(N, 1, H / 4, W / 4) logits."""


class PanopticNet(nn.Module):
    """Shared backbone and encoder, one head a task."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        w2, w3, w4, w5 = config.backbone_widths[1:]
        self.backbone = Backbone(config.backbone_widths, config.backbone_depths)
        self.encoder = Encoder((w3, w4, w5), config.encoder_depth)
        self.detection = DetectionHead((w3, w4, w5), config.detection_width, len(config.labels))
        self.drivable = SegmentationHead(w3, w2, config.segmentation_width)
        self.lane = SegmentationHead(w3, w2, config.segmentation_width)

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Run on BGR images (N, 3, H, W), values 0..255, sides multiples of 32."""
        c2, *deep = self.backbone(image)
        features = self.encoder(*deep)
        return NetworkOutput(
            self.detection(features), self.drivable(features[0], c2), self.lane(features[0], c2)
        )
