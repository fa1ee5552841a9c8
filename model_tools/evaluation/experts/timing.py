# SPDX-License-Identifier: Apache-2.0
"""Time predictors against each other on a machine that other processes use too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from model_tools.evaluation.experts.contender import Contender

WARM_UP = 2


@dataclass(frozen=True)
class Times:
    """Milliseconds of one contender, arrays of one value an image."""

    whole_wall: np.ndarray
    whole_cpu: np.ndarray
    network_wall: np.ndarray
    network_cpu: np.ndarray

    def summary(self, first: Times) -> dict[str, Any]:
        """Return medians, and how many times the CPU time of `first` the whole took.

        The ratio is taken image by image, where both ran within the same moment: its median and
        quartiles hold on a busy machine, on which the times themselves do not.
        """
        low, middle, high = np.percentile(self.whole_cpu / first.whole_cpu, [25, 50, 75])
        return {
            'whole': {'wall_ms': _median(self.whole_wall), 'cpu_ms': _median(self.whole_cpu)},
            'network': {
                'wall_ms': _median(self.network_wall),
                'cpu_ms': _median(self.network_cpu),
            },
            'cpu_ratio': {
                'median': round(float(middle), 2),
                'quartiles': [round(float(low), 2), round(float(high), 2)],
            },
        }


def time_interleaved(
    contenders: Sequence[Contender], images: Sequence[np.ndarray], *, threads: int
) -> list[Times]:
    """Run all contenders on each image in turn, in an order that rotates from image to image."""
    threads_before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        for contender in contenders:
            for _ in range(WARM_UP):
                contender.predictor(images[0], '')
        ms = np.empty((len(contenders), len(images), 4))
        for i, image in enumerate(tqdm(images, desc='time', unit='image', disable=None)):
            for turn in range(len(contenders)):
                row = (turn + i) % len(contenders)
                ms[row, i] = _time_image(contenders[row], image)
    finally:
        cv2.setNumThreads(threads_before)
    return [Times(*rows.T) for rows in ms]


def _time_image(contender: Contender, image: np.ndarray) -> tuple[float, ...]:
    run_network = contender.network_alone(image)
    whole = _time(lambda: contender.predictor(image, ''))
    return *whole, *_time(run_network)


def _time(call: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU milliseconds, the latter over all threads of the process."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def _median(values: np.ndarray) -> float:
    return round(float(np.median(values)), 1)
