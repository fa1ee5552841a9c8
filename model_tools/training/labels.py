# SPDX-License-Identifier: Apache-2.0
"""The labels of a run, of which the data and the network each have a list."""

from __future__ import annotations

from model_tools.data.label_set import LabelSet, load_label_set
from model_tools.settings import ConfigError
from model_tools.training.config import TrainingConfig


def load_labels(config: TrainingConfig) -> LabelSet:
    """Return the label set of the data; ConfigError if the network has other labels."""
    labels = load_label_set(config.label_set)
    if labels.names != config.network.labels:
        raise ConfigError(
            f'network.labels are {list(config.network.labels)}, but label_set '
            f'{config.label_set!r} has {list(labels.names)}: give both the same labels'
        )
    return labels
