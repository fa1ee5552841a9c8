# SPDX-License-Identifier: Apache-2.0
"""The public networks that are known here, by name."""

from __future__ import annotations

from pathlib import Path

from model_tools.evaluation.experts import (
    nanodet,
    road_segmentation,
    twinlitenet,
    vehicle_detection,
    yolox,
)
from model_tools.evaluation.experts.expert import Design, Expert
from model_tools.evaluation.experts.network import ExpertError, open_network

_YOLOX = 'github.com/Megvii-BaseDetection/YOLOX, COCO, Apache-2.0'
_NANODET = 'github.com/RangiLyu/nanodet, COCO, Apache-2.0'
_OPEN_MODEL_ZOO = 'github.com/openvinotoolkit/open_model_zoo, Apache-2.0'
_TWINLITENET = 'github.com/chequanghuy/TwinLiteNet, MIT, weights trained on BDD100K'
_TWINLITENET_PLUS = 'github.com/chequanghuy/TwinLiteNetPlus, MIT, weights trained on BDD100K'

EXPERTS = {
    'yolox-nano-640': Design(
        'yolox_nano_384x640.onnx', yolox.FORMAT, yolox.YoloxDecoder, f'{_YOLOX}; made 640x384'
    ),
    'yolox-nano-416': Design('yolox_nano.onnx', yolox.FORMAT, yolox.YoloxDecoder, _YOLOX),
    'nanodet-m-416': Design('nanodet_m.onnx', nanodet.FORMAT, nanodet.NanoDetDecoder, _NANODET),
    'vehicle-detection': Design(
        'vehicle-detection-adas-0002.FP16.xml',
        vehicle_detection.FORMAT,
        vehicle_detection.VehicleDetectionDecoder,
        _OPEN_MODEL_ZOO,
    ),
    'road-segmentation': Design(
        'road-segmentation-adas-0001.onnx',
        road_segmentation.FORMAT,
        road_segmentation.RoadSegmentationDecoder,
        f'{_OPEN_MODEL_ZOO}; converted from its fp32 IR',
    ),
    'twinlitenet': Design(
        'twinlitenet.onnx', twinlitenet.FORMAT, twinlitenet.TwinLiteNetDecoder, _TWINLITENET
    ),
    'twinlitenetplus-small': Design(
        'twinlitenetplus_small.onnx',
        twinlitenet.PLUS_FORMAT,
        twinlitenet.TwinLiteNetDecoder,
        _TWINLITENET_PLUS,
    ),
}


def load_expert(name: str, folder: Path, *, threads: int) -> Expert:
    """Load an expert by name from the folder that holds the files of all.

    Raises:
        ExpertError: The name is not known, or the file is missing, broken or another network's.

    """
    if name not in EXPERTS:
        raise ExpertError(f'no expert is called {name!r}; known: {", ".join(EXPERTS)}')
    design = EXPERTS[name]
    return Expert(name, design, open_network(folder / design.file, threads=threads))
