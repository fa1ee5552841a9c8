# SPDX-License-Identifier: Apache-2.0
"""Choose a model's thresholds from an evaluation of images that were held out of training."""

from __future__ import annotations

import numpy as np

from model_tools.evaluation.evaluate import Evaluation

NEUTRAL = {'score': 0.3, 'drivable': 0.5, 'lane': 0.5}
"""Thresholds of a network for which none were chosen."""


def choose_thresholds(evaluation: Evaluation) -> dict[str, float]:
    """Return the score of the best F1 (mean over labels) and each mask's best threshold."""
    counts = evaluation.counts[0]
    everything = np.ones(len(evaluation.names), bool)
    detection = counts.scores(everything)['detection'] or {'labels': {}}
    best = [label['best_f1_score'] for label in detection['labels'].values()]
    known = [score for score in best if score is not None]
    chosen = {'score': round(float(np.mean(known)), 2)} if known else {}
    for task, masks in (('drivable', counts.drivable), ('lane', counts.lane)):
        if masks.labelled.any():
            chosen[task] = masks.best_threshold()
    return chosen
