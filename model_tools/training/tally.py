# SPDX-License-Identifier: Apache-2.0
"""Sums over the steps of an epoch, as plain values that a checkpoint can hold."""

from __future__ import annotations

from collections.abc import Mapping

COUNTS = ('steps', 'seconds', 'input_seconds')
"""What a tally holds beside the sums of what the steps told."""


def add_step(
    tally: Mapping[str, float],
    values: Mapping[str, float],
    *,
    seconds: float,
    input_seconds: float,
) -> dict[str, float]:
    """Return a tally with one more step: what it told, its duration, and that of its input."""
    step = {**dict(zip(COUNTS, (1, seconds, input_seconds), strict=True)), **values}
    return {name: tally.get(name, 0.0) + x for name, x in step.items()}


def means(tally: Mapping[str, float]) -> dict[str, float]:
    """Return the mean of what the steps told."""
    return {name: x / tally['steps'] for name, x in tally.items() if name not in COUNTS}


def speed(tally: Mapping[str, float], batch_size: int) -> dict[str, float]:
    """Return images a second, seconds, and the share of them that went into the input."""
    seconds = tally['seconds']
    return {
        'images_per_second': round(tally['steps'] * batch_size / seconds, 2),
        'seconds': round(seconds, 1),
        'input_share': round(tally['input_seconds'] / seconds, 4),
    }
