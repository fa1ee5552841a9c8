# SPDX-License-Identifier: Apache-2.0
"""Random geometry and looks: one affine map moves image, boxes and masks alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from model_tools.data.sample import IGNORE, Sample
from panoptic_perception.core.letterbox import Letterbox

PAD_VALUE = 114
MIN_VISIBLE = 0.3
"""Share of a box that must stay in view; less makes it a region to ignore."""
MIN_SIDE = 3.0
"""Network pixels; boxes with a shorter side are regions to ignore."""


@dataclass(frozen=True)
class Augmentation:
    """Strength of the random changes; the default changes nothing."""

    scale: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    flip: float = 0.0
    colour: float = 0.0
    night: float = 0.0
    blur: float = 0.0
    noise: float = 0.0


TRAINING = Augmentation(
    scale=(0.8, 1.7), shift=0.1, flip=0.5, colour=0.8, night=0.4, blur=0.1, noise=0.15
)


@dataclass(frozen=True)
class Example:
    """A sample as the network sees it; mask targets are at half the network size."""

    image: np.ndarray
    """(H, W, 3) uint8 BGR."""
    boxes: np.ndarray
    """(N, 4) float32, network pixels, clipped."""
    labels: np.ndarray
    crowd: np.ndarray
    boxes_complete: bool
    masks: np.ndarray
    """(2, H / 2, W / 2) uint8: share of drivable and lane among the known pixels, x 255."""
    known: np.ndarray
    """(2, H / 2, W / 2) bool: whether most of the pixel's label is known."""


def make_example(
    sample: Sample,
    network_wh: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Example:
    """Fit a sample into the network's input, changed at random as `augmentation` says."""
    height, width = sample.image.shape[:2]
    matrix = _matrix((width, height), network_wh, augmentation, rng)
    image = cv2.warpAffine(
        sample.image, matrix, network_wh, flags=cv2.INTER_LINEAR, borderValue=(PAD_VALUE,) * 3
    )
    boxes, ignored = _move_boxes(sample.boxes, matrix, network_wh)
    planes = [
        _move_mask(mask, (height, width), matrix, network_wh)
        for mask in (sample.drivable, sample.lane)
    ]
    crowd = sample.crowd | ignored
    seen = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return Example(
        image=_change_look(image, augmentation, rng),
        boxes=boxes[seen],
        labels=sample.labels[seen],
        crowd=crowd[seen],
        boxes_complete=sample.boxes_complete,
        masks=np.stack([p[0] for p in planes]),
        known=np.stack([p[1] for p in planes]),
    )


def _matrix(
    source_wh: tuple[int, int],
    network_wh: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the 2x3 map from source to network pixels: letterbox, then zoom, shift and flip."""
    letterbox = Letterbox(source_wh, network_wh)
    width, height = network_wh
    matrix = np.diag([*letterbox.gain, 1.0])
    matrix[:2, 2] = letterbox.pad
    zoom = np.exp(rng.uniform(*np.log(augmentation.scale)))
    shift = rng.uniform(-1, 1, 2) * augmentation.shift * max(zoom, 1.0)
    move = np.diag([zoom, zoom, 1.0])
    move[0, 2] = width * ((1 - zoom) / 2 + shift[0])
    move[1, 2] = height * ((1 - zoom) / 2 + shift[1])
    matrix = move @ matrix
    if rng.random() < augmentation.flip:
        matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]], float) @ matrix
    # OpenCV maps pixel centres, our matrix maps pixel edges: shift by half a pixel on both sides.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return (np.linalg.inv(half) @ matrix @ half)[:2]


def _move_boxes(
    boxes: np.ndarray, matrix: np.ndarray, network_wh: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return moved, clipped boxes and which of them are too small or too cut to learn from."""
    corners = boxes.reshape(-1, 2, 2) - 0.5
    moved = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    whole = np.concatenate((moved.min(1), moved.max(1)), 1)
    clipped = whole.copy()
    clipped[:, 0::2] = clipped[:, 0::2].clip(0, network_wh[0])
    clipped[:, 1::2] = clipped[:, 1::2].clip(0, network_wh[1])
    sides, whole_sides = clipped[:, 2:] - clipped[:, :2], whole[:, 2:] - whole[:, :2]
    visible = sides.prod(1) / whole_sides.prod(1).clip(1e-6)
    ignored = (visible < MIN_VISIBLE) | (sides.min(1, initial=np.inf) < MIN_SIDE)
    return clipped.astype(np.float32), ignored


def _move_mask(
    mask: np.ndarray | None,
    shape: tuple[int, int],
    matrix: np.ndarray,
    network_wh: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the class among known pixels (x 255) and where the label is known."""
    half_wh = (network_wh[0] // 2, network_wh[1] // 2)
    if mask is None:
        mask = np.full(shape, IGNORE, np.uint8)
    planes = np.dstack((np.where(mask == 255, 255, 0), np.where(mask == IGNORE, 0, 255)))
    moved = cv2.warpAffine(planes.astype(np.uint8), matrix, network_wh, flags=cv2.INTER_LINEAR)
    small = cv2.resize(moved, half_wh, interpolation=cv2.INTER_AREA)
    positive, known = small[..., 0].astype(np.float32), small[..., 1]
    share = np.minimum(255.0, positive / np.maximum(known, 1) * 255.0)
    return share.astype(np.uint8), known >= 128


def _change_look(
    image: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    if rng.random() < augmentation.colour:
        image = _curve(image, gamma=rng.uniform(0.7, 1.5), gains=rng.uniform(0.85, 1.15, 3))
        if rng.random() < 0.3:
            grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            amount = rng.uniform(0.3, 1.0)
            image = cv2.addWeighted(image, 1 - amount, grey, amount, 0)
    if rng.random() < augmentation.night:
        image = _curve(image, gamma=rng.uniform(1.5, 3.0), gains=np.array([1.0, 0.85, 0.8]))
    if rng.random() < augmentation.blur:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
    if rng.random() < augmentation.noise:
        grain = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        cv2.randn(grain, 0, float(rng.uniform(3, 12)))
        image = cv2.add(image, grain, dtype=cv2.CV_8U)
    return image


def _curve(image: np.ndarray, *, gamma: float, gains: np.ndarray) -> np.ndarray:
    """Apply a tone curve to each channel through a table."""
    ramp = (np.arange(256) / 255.0) ** gamma * 255.0
    table = np.clip(ramp[:, None] * gains[None], 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[None])
