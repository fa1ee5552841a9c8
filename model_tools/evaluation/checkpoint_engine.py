# SPDX-License-Identifier: Apache-2.0
"""Run a checkpoint's network in torch behind the interface of the vehicle's engines."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from model_tools.evaluation.thresholds import NEUTRAL
from model_tools.export.model_file import PAD_VALUE
from model_tools.export.onnx_graph import DeployedNet
from model_tools.export.suppression import suppression_graph
from model_tools.networks.heads import STRIDES
from model_tools.training.checkpoint import load_checkpoint, load_network
from panoptic_perception.core.results import EngineInfo, Thresholds
from panoptic_perception.engines import ModelInfo, NetworkOutput


class CheckpointEngine:
    """
    The averaged network of a checkpoint, with NMS of the exported graph but other settings.

    `max_boxes` is the limit of each label in an image.
    """

    def __init__(
        self,
        path: Path,
        *,
        input_wh: tuple[int, int] | None = None,
        score_floor: float,
        nms_iou: float,
        max_boxes: int,
    ) -> None:
        state = load_checkpoint(path)
        width, height = input_wh or state['training']['input_wh']
        self.model = ModelInfo(
            path=path,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            schema=1,
            labels=tuple(state['network']['labels']),
            input_wh=(width, height),
            batch_size=None,
            pad_value=PAD_VALUE,
            thresholds=Thresholds(**NEUTRAL),
            precision='fp32',
            provenance={},
            metrics={},
        )
        self.info = EngineInfo('torch', 'cpu', 'fp32', torch.get_num_threads())
        self._net = DeployedNet(load_network(path)).eval()
        cells = sum((width // stride) * (height // stride) for stride in STRIDES)
        graph = suppression_graph(
            len(self.model.labels),
            cells,
            score_floor=score_floor,
            nms_iou=nms_iou,
            max_boxes=max_boxes * len(self.model.labels),
        )
        self._suppression = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=['CPUExecutionProvider']
        )

    @torch.no_grad()
    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""
        boxes, scores, drivable, lane = (
            tensor.numpy() for tensor in self._net(torch.from_numpy(images))
        )
        names = ['boxes', 'scores', 'labels', 'batch_index']
        dense = {'dense_boxes': boxes, 'dense_scores': scores}
        found = dict(zip(names, self._suppression.run(names, dense), strict=True))
        return NetworkOutput(**found, drivable=drivable, lane=lane)

    def warm_up(self) -> float:
        """Run once on an empty image; return the milliseconds it took."""
        width, height = self.model.input_wh
        start = time.perf_counter()
        self.run(np.full((1, height, width, 3), PAD_VALUE, np.uint8))
        return (time.perf_counter() - start) * 1e3
