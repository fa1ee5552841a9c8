# SPDX-License-Identifier: Apache-2.0
"""The labels of a run, of which the data and the network each have a list."""

from __future__ import annotations

from model_tools.data.label_set import LabelSet, load_label_set
from model_tools.networks.config import NetworkConfig
from model_tools.settings import ConfigError


def load_labels(label_set: str, network: NetworkConfig) -> LabelSet:
    """Return the label set of the data; ConfigError if the network has other labels."""
    labels = load_label_set(label_set)
    if labels.names != network.labels:
        raise ConfigError(
            f'network.labels are {list(network.labels)}, but label_set {label_set!r} has '
            f'{list(labels.names)}: give both the same labels'
        )
    return labels
