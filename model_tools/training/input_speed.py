# SPDX-License-Identifier: Apache-2.0
"""How fast pictures are made, with and without the network that learns from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

from model_tools.data.batches import BatchSource
from model_tools.data.cache import build_cache, place, require_labels
from model_tools.data.problems import Problems
from model_tools.data.readers import ReaderSettings, open_data, read_samples
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.training.config import TrainingConfig
from model_tools.training.labels import load_labels
from model_tools.training.learner import Learner
from model_tools.training.processes import make_fabric

SAMPLES = 64
"""Decoded at least, if there are as many; more do not change the time of a batch."""
WARM_UP = 2


def input_speed(config: TrainingConfig, *, steps: int) -> dict[str, Any]:
    """Measure, over `steps` batches, images a second of the input, the network, and both."""
    fabric = make_fabric(config.precision, 1, 1)
    fabric.launch()
    labels = load_labels(config.label_set, config.network)
    data = open_data(Path(config.data), ReaderSettings(labels=labels))
    names = data.names('train')
    names = names[:: max(1, len(names) // max(SAMPLES, config.batch_size))]
    problems = Problems(len(names), limit=1)  # a share of so few says nothing of all
    samples = read_samples(data, 'train', problems, names=names)
    cache = place(build_cache(samples, config.canvas_wh), fabric.device)
    require_labels(cache)
    source = BatchSource(
        cache,
        None,
        input_wh=config.input_wh,
        augmentation=config.augmentation,
        batch_size=config.batch_size,
        seed=config.seed,
        device=fabric.device,
    )
    torch.manual_seed(config.seed)
    net = PanopticNet(config.network).to(fabric.device, memory_format=torch.channels_last)
    learner = Learner(fabric, config, net, [])
    same = source.batch(0)
    tasks: dict[str, Callable[[int], object]] = {
        'input': source.batch,
        'network': lambda step: learner.learn(same, step, rate_factor=0.0),
        'both': lambda step: learner.learn(source.batch(step), step, rate_factor=0.0),
    }
    seconds = _seconds(tasks, steps, fabric.device)
    cuda = fabric.device.type == 'cuda'
    return {
        'device': torch.cuda.get_device_name(fabric.device) if cuda else 'cpu',
        'threads': torch.get_num_threads(),
        'input_wh': list(config.input_wh),
        'canvas_wh': list(config.canvas_wh),
        'batch_size': config.batch_size,
        'steps': steps,
        'images_per_second': {
            name: round(config.batch_size / value, 1) for name, value in seconds.items()
        },
        'input_share': round(1 - min(1.0, seconds['network'] / seconds['both']), 3),
    }


def _seconds(
    tasks: Mapping[str, Callable[[int], object]], steps: int, device: torch.device
) -> dict[str, float]:
    """Return the median time of a step of each task after some steps to warm up.

    The tasks take turns: what else the machine does then slows all of them alike.
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for step in range(WARM_UP + steps):
        for name, task in tasks.items():
            began = _now(device)
            task(step)
            times[name].append(_now(device) - began)
    return {name: median(taken[WARM_UP:]) for name, taken in times.items()}


def _now(device: torch.device) -> float:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()
