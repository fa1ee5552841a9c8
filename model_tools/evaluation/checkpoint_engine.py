# SPDX-License-Identifier: Apache-2.0
"""Run a network in torch behind the interface of the vehicle's engines."""

from __future__ import annotations

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
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.checkpoint import file_sha256, load_checkpoint, network_of
from panoptic_perception.core.results import EngineInfo, Thresholds
from panoptic_perception.engines import ModelInfo, NetworkOutput
from panoptic_perception.engines.onnxruntime_engine import session_options

CPU = torch.device('cpu')


class TorchEngine:
    """
    A network in torch, with NMS of the exported graph but other settings.

    `max_boxes` is the limit of each label in an image.
    """

    def __init__(
        self,
        net: PanopticNet,
        *,
        path: Path,
        sha256: str,
        input_wh: tuple[int, int],
        score_floor: float,
        nms_iou: float,
        max_boxes: int,
        device: torch.device = CPU,
    ) -> None:
        """Copy `net` onto `device`; `path` and `sha256` say where its weights are kept."""
        width, height = input_wh
        self.model = ModelInfo(
            path=path,
            sha256=sha256,
            schema=1,
            labels=net.config.labels,
            input_wh=(width, height),
            batch_size=None,
            pad_value=PAD_VALUE,
            thresholds=Thresholds(**NEUTRAL),
            precision='fp32',
            provenance={},
            metrics={},
        )
        self.info = EngineInfo('torch', device.type, 'fp32', torch.get_num_threads())
        self._device = device
        self._net = DeployedNet(net, input_wh).eval().to(device)
        cells = sum((width // stride) * (height // stride) for stride in STRIDES)
        graph = suppression_graph(
            len(self.model.labels),
            cells,
            score_floor=score_floor,
            nms_iou=nms_iou,
            max_boxes=max_boxes * len(self.model.labels),
        )
        self._suppression = onnxruntime.InferenceSession(
            graph.SerializeToString(), session_options(1), providers=['CPUExecutionProvider']
        )

    @torch.no_grad()
    def run(self, images: np.ndarray) -> NetworkOutput:
        """Run a batch of shape `(N, H, W, 3)`, uint8 BGR."""
        boxes, scores, drivable, lane = (
            tensor.cpu().numpy() for tensor in self._net(torch.from_numpy(images).to(self._device))
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


class CheckpointEngine(TorchEngine):
    """The averaged network of a checkpoint."""

    def __init__(
        self,
        path: Path,
        *,
        input_wh: tuple[int, int] | None = None,
        score_floor: float,
        nms_iou: float,
        max_boxes: int,
    ) -> None:
        """Read a checkpoint; `input_wh` replaces the size that it was trained at."""
        state = load_checkpoint(path)
        super().__init__(
            network_of(state, path),
            path=path,
            sha256=file_sha256(path),
            input_wh=input_wh or tuple(state['training']['input_wh']),
            score_floor=score_floor,
            nms_iou=nms_iou,
            max_boxes=max_boxes,
        )
