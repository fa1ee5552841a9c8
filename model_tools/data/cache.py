# SPDX-License-Identifier: Apache-2.0
"""Samples as they are trained on: on one canvas, as bytes, where they are read fastest."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model_tools.data.problems import DatasetError
from model_tools.data.sample import IGNORE, Sample
from panoptic_perception.core.letterbox import Letterbox

SHARES = 14
"""Steps of the share of a class: as many as 4 bits hold beside "not known", with half among them.
"""
WORKING_BYTES = 10 * 2**30
"""Device memory that pictures must leave for the network and its gradients."""


@dataclass(frozen=True, eq=False)
class CanvasSample:
    """One sample letterboxed to a canvas; one of 640x384 takes 0.98 MB."""

    image: np.ndarray
    """(H, W, 3) uint8 BGR."""
    mask: np.ndarray
    """(H, W) uint8: drivable and lane in one byte, see `pack_masks`; bars are unknown."""
    boxes: np.ndarray
    """(K, 4) float32, canvas pixels."""
    labels: np.ndarray
    """(K,) int64."""
    crowd: np.ndarray
    """(K,) bool."""
    complete: bool
    name: str
    source: str
    group: str


@dataclass(frozen=True, eq=False)
class SampleCache:
    """The fields of N samples; their pictures lie in memory, on a device, or in mapped files."""

    images: Sequence[Tensor]
    """N times (3, H, W) uint8 BGR, channels last in memory."""
    masks: Sequence[Tensor]
    """N times (H, W) uint8, as of `CanvasSample`."""
    boxes: list[np.ndarray]
    labels: list[np.ndarray]
    crowd: list[np.ndarray]
    complete: list[bool]
    names: list[str]
    sources: list[str]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def canvas_wh(self) -> tuple[int, int]:
        """Width and height of the canvas."""
        return self.images[0].shape[2], self.images[0].shape[1]

    @property
    def nbytes(self) -> int:
        """Size of the pictures."""
        return sum(rows[0].nbytes * len(rows) for rows in (self.images, self.masks))

    def select(self, indices: Iterable[int]) -> SampleCache:
        """Return some of the samples; their pictures are not copied."""
        chosen = list(indices)
        return SampleCache(
            **{f.name: [getattr(self, f.name)[i] for i in chosen] for f in fields(self)}
        )

    def to(self, device: torch.device) -> SampleCache:
        """Copy the pictures to a device."""
        return replace(self, images=_copy(self.images, device), masks=_copy(self.masks, device))


def to_canvas(sample: Sample, canvas_wh: tuple[int, int]) -> CanvasSample:
    """Letterbox a sample of any size to a canvas of some width and height."""
    letterbox = Letterbox(sample.image.shape[1::-1], canvas_wh)
    mask = np.zeros(canvas_wh[::-1], np.uint8)
    letterbox.content(mask)[:] = pack_masks(sample.drivable, sample.lane, letterbox.content_wh)
    return CanvasSample(
        image=letterbox.image(sample.image),
        mask=mask,
        boxes=letterbox.boxes_to_network(sample.boxes),
        labels=sample.labels.astype(np.int64),
        crowd=sample.crowd.astype(bool),
        complete=sample.boxes_complete,
        name=sample.name,
        source=sample.source,
        group=sample.group,
    )


def build_cache(samples: Iterable[Sample], canvas_wh: tuple[int, int]) -> SampleCache:
    """Return a cache in memory, for a few samples; `cache_folder` is for whole data sets."""
    found = [to_canvas(sample, canvas_wh) for sample in samples]
    return SampleCache(
        images=[torch.from_numpy(s.image).permute(2, 0, 1) for s in found],
        masks=[torch.from_numpy(s.mask) for s in found],
        boxes=[s.boxes for s in found],
        labels=[s.labels for s in found],
        crowd=[s.crowd for s in found],
        complete=[s.complete for s in found],
        names=[s.name for s in found],
        sources=[s.source for s in found],
        groups=[s.group for s in found],
    )


def require_labels(cache: SampleCache) -> None:
    """Raise DatasetError if there is no sample to learn from, or none has a label of any task."""
    if not len(cache):
        raise DatasetError(
            'no images to train on: the train split is empty, or all of it is held out'
        )
    boxed = any(cache.complete) or any(map(len, cache.boxes))
    if not (boxed or any(mask.any() for mask in cache.masks)):
        raise DatasetError(
            f'no labels for any task: {len(cache)} images have no boxes, no drivable and no lane '
            'masks; are the label folders beside the images?'
        )


def place(cache: SampleCache, device: torch.device) -> SampleCache:
    """Move the pictures to a GPU if that leaves the network its memory; else keep them here."""
    if device.type != 'cuda':
        return cache
    fits = cache.nbytes + WORKING_BYTES <= torch.cuda.mem_get_info(device)[0]
    return cache.to(device) if fits else cache


def pack_masks(
    drivable: np.ndarray | None, lane: np.ndarray | None, wh: tuple[int, int]
) -> np.ndarray:
    """
    Return two masks in one (H, W) uint8, drivable in the low and lane in the high 4 bits.

    4 bits hold 0 where less than half of the pixel's label is known, or else 1 plus the share of
    the class among what is known, in fourteenths.

    Args:
        drivable: Mask of any size: 0, 255 or IGNORE; None if it is not labelled.
        lane: The same.
        wh: Width and height to bring the masks to.

    """
    return _pack(drivable, wh) | _pack(lane, wh) << 4


def unpack_masks(packed: Tensor) -> Tensor:
    """
    Return planes (..., 4) float32 of 0 to 1 of a packed mask (...).

    They are the share of drivable and of lane, 0 where it is not known, and then whether drivable
    and whether lane is known.
    """
    return F.embedding(packed.int(), _planes(packed.device))


@functools.cache
def _planes(device: torch.device) -> Tensor:
    """Return the (256, 4) planes of all packed pixels."""
    code = torch.arange(256)
    code = torch.stack((code % 16, code // 16), 1)
    return torch.cat(((code - 1).clamp(min=0) / SHARES, (code > 0).float()), 1).to(device)


def _pack(mask: np.ndarray | None, wh: tuple[int, int]) -> np.ndarray:
    if mask is None:
        return np.zeros(wh[::-1], np.uint8)
    positive, known = (
        cv2.resize(plane.astype(np.float32), wh, interpolation=cv2.INTER_AREA)
        for plane in (mask == 255, mask != IGNORE)
    )
    share = positive / np.maximum(known, np.finfo(np.float32).tiny)
    return np.where(known >= 0.5, 1 + np.rint(SHARES * share), 0).astype(np.uint8)


def _copy(rows: Sequence[Tensor], device: torch.device) -> Sequence[Tensor]:
    """Copy rows of the same shape to a device."""
    row = rows[0]
    # One block for all: the allocator would round each of many up.
    block = torch.empty_strided(
        (len(rows), *row.shape), (row.numel(), *row.stride()), dtype=row.dtype, device=device
    )
    copies = block.unbind()
    for copy, original in zip(copies, rows, strict=True):
        copy.copy_(original)
    return copies
