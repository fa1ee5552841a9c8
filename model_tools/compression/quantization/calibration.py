# SPDX-License-Identifier: Apache-2.0
"""Choose the images on which the ranges of 8 bit numbers are measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from model_tools.data.holdout import hold_out
from model_tools.data.problems import DatasetError, Problems
from model_tools.data.readers import RoadData, read_samples
from panoptic_perception.core.letterbox import Letterbox

SHADES = 4
"""Classes of brightness that are equally frequent among the chosen."""


@dataclass(frozen=True)
class Scene:
    """What decides whether an image shows something that the others do not."""

    brightness: float
    """Mean grey level, 0..255."""
    objects: int


def survey(
    data: RoadData, held_out: Collection[str], *, max_skipped: float
) -> tuple[dict[str, Scene], list[str]]:
    """
    Look through the train split; return its scenes by name, and the names held out.

    Raises:
        DatasetError: A group that was held out is not there, or there is nothing else; or more
            than the share `max_skipped` of the images cannot be read.

    """
    names = data.names('train')
    scenes: dict[str, Scene] = {}
    groups: list[str] = []
    bar = tqdm(names, desc='look through train', unit='image', disable=None)
    for sample in read_samples(data, 'train', Problems(len(names), limit=max_skipped), names=bar):
        grey = cv2.cvtColor(sample.image, cv2.COLOR_BGR2GRAY)
        scenes[sample.name] = Scene(float(grey.mean()), len(sample.boxes))
        groups.append(sample.group)
    learned, held = hold_out(
        groups,
        held_out,
        data.root,
        "give the data of the file's training",
    )
    names = list(scenes)
    if not learned:
        raise DatasetError(
            f"'{data.root}': the train split has no image but those held out: nothing to "
            'calibrate on',
            kind='no_images',
        )
    return {names[i]: scenes[names[i]] for i in learned}, [names[i] for i in held]


def calibration_images(
    data: RoadData, scenes: Mapping[str, Scene], count: int, input_wh: tuple[int, int]
) -> list[np.ndarray]:
    """Return letterboxed images (H, W, 3), uint8, of scenes dark and bright, empty and full."""
    names = list(scenes)
    names = [names[i] for i in choose_scenes(list(scenes.values()), count)]
    samples = read_samples(data, 'train', Problems(len(names), limit=1), names=names)
    return [
        Letterbox((s.image.shape[1], s.image.shape[0]), input_wh).image(s.image) for s in samples
    ]


def choose_scenes(scenes: Sequence[Scene], count: int) -> list[int]:
    """
    Return the indices of at most `count` scenes, rising.

    The same share comes from every quarter of the range of brightness, so that a dozen dark images
    among hundreds are all there; within it, scenes with few and with many objects take turns.
    """
    if len(scenes) <= count:
        return list(range(len(scenes)))
    brightness = np.array([scene.brightness for scene in scenes])
    edges = np.linspace(brightness.min(), brightness.max(), SHADES + 1)[1:-1]
    shade = np.searchsorted(edges, brightness, side='right')
    members = [
        sorted(np.flatnonzero(shade == k).tolist(), key=lambda i: (scenes[i].objects, i))
        for k in range(SHADES)
    ]
    chosen: list[int] = []
    # The rarest first: what they cannot give is left to the others.
    for place, group in enumerate(sorted(members, key=len)):
        quota = (count - len(chosen)) // (SHADES - place)
        picks = np.linspace(0, len(group) - 1, min(quota, len(group))).round().astype(int)
        chosen += [group[i] for i in picks]
    return sorted(chosen)
