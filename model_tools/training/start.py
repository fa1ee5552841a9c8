# SPDX-License-Identifier: Apache-2.0
"""What a run begins with: weights, random, of another run or public; and perhaps a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from model_tools.compression.adapters import fit_removed, make_adapters, select_channels
from model_tools.compression.distillation import Distiller
from model_tools.data.batches import plain_batch
from model_tools.data.cache import SampleCache
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.networks.refit import pair_blocks, refit
from model_tools.networks.warm_start import seed_batchnorm, warm_start
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import (
    load_checkpoint,
    load_network,
    load_weights,
    network_of,
)
from model_tools.training.config import TrainingConfig

SEED_IMAGES = 48
"""Images that give warm-started BatchNorms their first statistics."""
FIT_IMAGES = 128
"""Images that a network of other convolutions, or adapters to a teacher, are fitted on."""


class TeacherError(ValueError):
    """A teacher was made for other labels."""


class Beginning(NamedTuple):
    """What is to be known of the first weights for as long as the run lasts."""

    warm_started: list[str]
    """Modules that got public ones."""
    kept: Mapping[str, torch.Tensor]
    """Of a pruned network, see `load_checkpoint`."""


def begin(net: PanopticNet, config: TrainingConfig) -> Beginning:
    """Give a new network its first weights."""
    kept: Mapping[str, torch.Tensor] = {}
    if config.start:
        path = Path(config.start)
        state = load_checkpoint(path)
        if config.fade_share:
            state['network'] = _fading(state['network'], path)
        load_weights(net, state, path)
        kept = state['kept']
    if config.refit:
        pair_blocks(net, load_network(Path(config.refit)))
    return Beginning(warm_start(net, Path(config.warm_start)) if config.warm_start else [], kept)


def begin_distillation(
    net: PanopticNet,
    config: TrainingConfig,
    kept: Mapping[str, torch.Tensor],
    device: torch.device,
) -> Distiller | None:
    """Return the teacher and first adapters to it, on a device; None if there is to be none.

    Raises:
        ConfigError: No teacher is named, or adapters ask for a pruned start where none is.
        CheckpointError: The teacher is not there, or no network of ours.
        TeacherError: It was made for other labels.
        AdapterError: The start was pruned from a teacher of other widths.

    """
    if (settings := config.distillation) is None:
        return None
    if not settings.teacher:
        raise ConfigError("distillation.teacher is '', expected a checkpoint of `train`")
    if settings.adapters == 'selection' and not config.start:
        raise ConfigError(
            "distillation.adapters is 'selection', expected a pruned network as `start`; set "
            "'random' for one that was not made from the teacher"
        )
    teacher = load_teacher(Path(settings.teacher), labels=config.network.labels)
    adapters = make_adapters(net, teacher)
    if settings.adapters == 'selection':
        select_channels(adapters, kept)
    teacher.to(device, memory_format=torch.channels_last)
    return Distiller(settings, teacher, adapters.to(device))


def adapt(
    net: PanopticNet,
    config: TrainingConfig,
    started: list[str],
    cache: SampleCache,
    distiller: Distiller | None = None,
) -> None:
    """Do what the first weights need images for.

    BatchNorms of modules with public weights get their first statistics; a network that is to
    begin as one of other convolutions is fitted to it; and so are adapters of a pruned one to
    the channels that it has no more.
    """
    if started:
        seed_batchnorm(net, _images(net, config, cache, SEED_IMAGES), started)
    if config.refit:
        images = _images(net, config, cache, FIT_IMAGES)
        refit(net, load_network(Path(config.refit)).to(images.device), images)
    if distiller and distiller.settings.adapters == 'selection':
        images = _images(net, config, cache, FIT_IMAGES)
        fit_removed(distiller.adapters, net, distiller.teacher, images)


def load_teacher(path: Path, *, labels: Sequence[str]) -> PanopticNet:
    """Return the network of a teacher, which sees its student's input, whatever its own was.

    Raises:
        CheckpointError: It is not there, or no network of ours.
        TeacherError: It was made for other labels.

    """
    state = load_checkpoint(path)
    found = state['network']['labels']
    if found != list(labels):
        raise TeacherError(
            f"'{path}': a teacher of labels {found}, expected {list(labels)} as of this run: give "
            'another teacher, or train as it was trained'
        )
    return network_of(state, path)


def _fading(network: Mapping[str, object], path: Path) -> dict[str, object]:
    """Return the settings of a network that begins with SiLU as they are after it has faded."""
    if network['activation'] != 'silu':
        raise ConfigError(
            f"fade_share is set, but the activation of '{path}' is {network['activation']!r}, "
            "expected 'silu'"
        )
    return {**network, 'activation': 'relu'}


def _images(
    net: PanopticNet, config: TrainingConfig, cache: SampleCache, count: int
) -> torch.Tensor:
    indices = range(0, len(cache), max(1, len(cache) // count))[:count]
    device = next(net.parameters()).device
    return plain_batch(cache, indices, config.input_wh).images.to(device).float()
