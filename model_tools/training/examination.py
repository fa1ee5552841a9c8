# SPDX-License-Identifier: Apache-2.0
"""Look at a network in training, and score it on images that it does not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch

from model_tools.data.problems import Problems
from model_tools.data.readers import RoadData
from model_tools.data.subset import Subset
from model_tools.evaluation.checkpoint_engine import TorchEngine
from model_tools.evaluation.evaluate import evaluate
from model_tools.evaluation.headline import headline
from model_tools.evaluation.predictors import EnginePredictor
from model_tools.evaluation.protocol import PROTOCOLS
from model_tools.evaluation.thresholds import NEUTRAL
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.input import SPLIT
from panoptic_perception.core.files import write_whole
from panoptic_perception.core.overlay import contact_sheet, draw_overlay
from panoptic_perception.core.results import Thresholds
from panoptic_perception.runtime.perceiver import Perceiver

LOOKS = 6
SHEET_WIDTH = 1920
PROTOCOL = PROTOCOLS['dataset']


class Examiner:
    """Runs a network as the vehicle does, on images of the train split of a data set."""

    def __init__(
        self,
        data: RoadData,
        holdout: Sequence[str],
        learned: Sequence[str],
        *,
        input_wh: tuple[int, int],
        device: torch.device,
    ) -> None:
        """Take the names of the images held out, and of those to look at if none are."""
        self.can_score = bool(holdout)
        self._holdout = Subset(data, SPLIT, holdout)
        self._input_wh = input_wh
        self._device = device
        self._looks = [
            data.read(SPLIT, name, Problems(LOOKS, limit=1)).image
            for name in _spread(holdout or learned)
        ]

    def scores(self, net: PanopticNet) -> dict[str, Any]:
        """Return images, AP50 by label, drivable and lane IoU on the hold-out."""
        predictor = EnginePredictor(
            self._engine(net),
            kind='checkpoint',
            stretched=False,
            fixed={'nms_iou': PROTOCOL.nms_iou},
        )
        record = evaluate(predictor, self._holdout, SPLIT, [PROTOCOL], max_skipped=1).record()
        return headline(record['protocols'][PROTOCOL.name]['all'])

    def draw(self, net: PanopticNet, out: Path) -> None:
        """Write a contact sheet of what the network sees in a few images, the same every time."""
        perceive = Perceiver(self._engine(net), thresholds=Thresholds(**NEUTRAL))
        pictures = [draw_overlay(image, perceive(image)) for image in self._looks]
        sheet = contact_sheet(pictures, columns=3, width=SHEET_WIDTH)
        out.parent.mkdir(exist_ok=True)
        write_whole(out, cv2.imencode('.png', sheet)[1].tobytes())

    def _engine(self, net: PanopticNet) -> TorchEngine:
        return TorchEngine(
            net,
            path=Path('last.pt'),
            sha256='',
            input_wh=self._input_wh,
            score_floor=PROTOCOL.score_floor,
            nms_iou=PROTOCOL.nms_iou,
            max_boxes=PROTOCOL.max_boxes,
            device=self._device,
        )


def _spread(names: Sequence[str]) -> list[str]:
    count = min(LOOKS, len(names))
    return [names[i * len(names) // count] for i in range(count)]
