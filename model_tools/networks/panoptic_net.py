# SPDX-License-Identifier: Apache-2.0
"""The multi-task network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from model_tools.networks.backbone import Backbone
from model_tools.networks.blocks import Blocks
from model_tools.networks.channels import narrow
from model_tools.networks.config import NetworkConfig
from model_tools.networks.encoder import Encoder
from model_tools.networks.heads import DetectionHead, DetectionOutput, SegmentationHead


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
        """Build it; NetworkConfigError if its channels do not fit together."""
        super().__init__()
        self.config = config
        blocks = Blocks(config.convolution, config.activation)
        w2, w3, w4, w5 = config.backbone_widths[1:]
        deep = (w3, w4, w5)
        self.backbone = Backbone(blocks, config.backbone_widths, config.backbone_depths)
        self.encoder = Encoder(blocks, deep, config.encoder_depth, attention=config.attention)
        self.detection = DetectionHead(blocks, deep, config.detection_width, len(config.labels))
        self.drivable = SegmentationHead(blocks, w3, w2, config.segmentation_width)
        self.lane = SegmentationHead(blocks, w3, w2, config.segmentation_width)
        narrow(self, config.channels)

    def forward(self, image: torch.Tensor) -> NetworkOutput:
        """Run on BGR images (N, 3, H, W), values 0..255, sides multiples of 32."""
        c2, *deep = self.backbone(image)
        features = self.encoder(*deep)
        return NetworkOutput(
            self.detection(features), self.drivable(features[0], c2), self.lane(features[0], c2)
        )
