# SPDX-License-Identifier: Apache-2.0
"""Prove that a model file says what its network says.

The file runs in ONNX Runtime in float32, as on the vehicle. It is held against the network in
torch in float64, BatchNorms not folded: the exact answer, for this purpose. The network in torch
in float32 stands beside it as a yardstick. A few boxes of a network can be so sensitive that
their coordinates are lost in float32 at the third decimal, whoever computes them; a file must be
within the limits, or nearly as exact as the network itself is.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from model_tools.export.onnx_graph import to_levels
from model_tools.export.suppression import MAX_BOXES, NMS_IOU, SCORE_FLOOR
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.boxes import pairwise_iou
from panoptic_perception.engines import NetworkOutput, load_engine

BOX_LIMIT = 1e-3
"""Network pixels."""
SCORE_LIMIT = 1e-5
MASK_LIMIT = 1
"""Levels of 255: a probability between two levels may be rounded to either."""
ROUNDING = 4.0
"""How much the worst of thousands of roundings may differ between two orders of summation.

2.3 was seen, in a student that had hardly been tuned.
"""
IOU_MARGIN = 1e-3
"""How near to the limit of NMS two boxes may fall on the other side of it."""


class ParityError(ValueError):
    """The exported file and the network disagree."""


@dataclass(frozen=True)
class Parity:
    """The largest differences between a file and its network, and what was compared."""

    images: int = 0
    boxes: int = 0
    box_px: float = 0.0
    score: float = 0.0
    mask_levels: int = 0
    lost_boxes: int = 0
    """Boxes of the network that the file neither returns nor suppresses."""
    own_box_px: float = 0.0
    """How far the network in torch in float32 is off, for the same boxes."""
    own_score: float = 0.0

    def __str__(self) -> str:
        boxes = (
            f'{self.boxes} boxes of {self.images} images differ by at most {self.box_px:.1e} px '
            f'(in torch in float32: {self.own_box_px:.1e}), their scores by {self.score:.1e} '
            f'({self.own_score:.1e})'
            if self.boxes
            else f'no box was compared, as the file returns none for {self.images} images'
        )
        return (
            f'{boxes}, masks differ by at most {self.mask_levels} of 255 levels; '
            f'{self.lost_boxes} boxes are missing'
        )

    def holds(self) -> bool:
        """Return whether the differences are those of float32 rounding."""
        return (
            self.box_px <= max(BOX_LIMIT, ROUNDING * self.own_box_px)
            and self.score <= max(SCORE_LIMIT, ROUNDING * self.own_score)
            and self.mask_levels <= MASK_LIMIT
            and self.lost_boxes == 0
        )

    def __or__(self, other: Parity) -> Parity:
        """Return what holds of both."""
        return Parity(
            self.images + other.images,
            self.boxes + other.boxes,
            max(self.box_px, other.box_px),
            max(self.score, other.score),
            max(self.mask_levels, other.mask_levels),
            self.lost_boxes + other.lost_boxes,
            max(self.own_box_px, other.own_box_px),
            max(self.own_score, other.own_score),
        )


def check_parity(net: PanopticNet, path: Path, images: Sequence[np.ndarray]) -> Parity:
    """
    Compare a file with its network on letterboxed images (H, W, 3), uint8.

    Every box that the file returns is compared with the dense box of the network that it comes
    from. Every box of the network over the score floor must be returned, or overlap a better one
    of its label that is.

    Raises:
        ParityError: A difference is over its limit.
    """
    net = net.eval()
    exact = copy.deepcopy(net).double()
    engine = load_engine(path, engine='onnxruntime', threads=1)
    parity = Parity()
    for image in tqdm(images, desc='compare', unit='image', disable=None):
        parity |= _compare(_answer(exact, image), _answer(net, image), engine.run(image[None]))
    if not parity.holds():
        raise ParityError(
            f'the exported file does not say what the network says: {parity}; limits are '
            f'{BOX_LIMIT:g} px and {SCORE_LIMIT:g}, or {ROUNDING:g} times what float32 '
            f'needs in torch, and {MASK_LIMIT} level'
        )
    return parity


@dataclass(frozen=True)
class _Answer:
    """What a network in torch says of one image."""

    boxes: torch.Tensor
    """(A, 4)"""
    scores: torch.Tensor
    """(A, classes)"""
    masks: torch.Tensor
    """(2, H, W) uint8"""


@torch.no_grad()
def _answer(net: PanopticNet, image: np.ndarray) -> _Answer:
    precision = next(net.parameters()).dtype
    output = net(torch.from_numpy(image[None]).permute(0, 3, 1, 2).to(precision))
    if not all(t.isfinite().all() for t in (*output.detection, output.drivable, output.lane)):
        raise ParityError('the network answers a real image with values that are not finite')
    masks = to_levels(torch.cat((output.drivable, output.lane), 1))
    return _Answer(output.detection.boxes[0], output.detection.logits[0].sigmoid(), masks[0])


def _compare(truth: _Answer, own: _Answer, found: NetworkOutput) -> Parity:
    boxes, scores, labels, masks = (
        torch.from_numpy(array)
        for array in (
            found.boxes,
            found.scores,
            found.labels,
            np.concatenate([found.drivable, found.lane]),
        )
    )
    # Of each returned box with each dense one, (M, A).
    box_px = (boxes[:, None] - truth.boxes).abs().amax(2)
    score = (scores[:, None] - truth.scores.T[labels]).abs()
    origin = torch.maximum(box_px / BOX_LIMIT, score / SCORE_LIMIT).argmin(1)
    classes = range(truth.scores.shape[1])
    score_off = _largest(score.gather(1, origin[:, None]))
    # Scores are judged by their own limit: what they may be off is no reason to miss a box.
    own_off = _largest((own.scores - truth.scores).abs())
    margin = max(SCORE_LIMIT, ROUNDING * max(own_off, score_off))
    return Parity(
        images=1,
        boxes=len(boxes),
        box_px=_largest(box_px.gather(1, origin[:, None])),
        score=score_off,
        mask_levels=int(_largest((masks.int() - truth.masks.int()).abs())),
        lost_boxes=sum(
            _lost_boxes(
                truth.boxes,
                truth.scores[:, label],
                boxes[labels == label],
                scores[labels == label],
                most=MAX_BOXES // len(classes),
                margin=margin,
            )
            for label in classes
        ),
        own_box_px=_largest((own.boxes - truth.boxes)[origin].abs()),
        own_score=_largest((own.scores - truth.scores)[origin, labels].abs()),
    )


def _lost_boxes(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    kept: torch.Tensor,
    kept_scores: torch.Tensor,
    *,
    most: int,
    margin: float,
) -> int:
    """
    Return how many dense boxes (A, 4) of one label NMS should have kept beside `kept`.

    `margin` is how far a score may be off, and so how near two of them may change places.
    """
    floor = kept_scores.min().item() if len(kept) == most else SCORE_FLOOR
    due = scores > floor + margin
    as_good = kept_scores > scores[due, None] - margin
    overlapped = pairwise_iou(boxes[due], kept) > NMS_IOU - IOU_MARGIN
    # Of boxes next to nothing wide, the overlap of one with itself is lost in rounding.
    returned = (boxes[due, None] - kept).abs().amax(2) <= BOX_LIMIT
    return int((~(as_good & (overlapped | returned)).any(1)).sum())


def _largest(values: torch.Tensor) -> float:
    return values.max().item() if values.numel() else 0.0
