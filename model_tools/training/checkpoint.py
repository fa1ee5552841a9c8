# SPDX-License-Identifier: Apache-2.0
"""Save and load a run's state, and the small file of its averaged weights alone."""

from __future__ import annotations

import hashlib
import io
import pickle
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from model_tools.networks.config import NetworkConfig, NetworkConfigError
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import PATH, SHARE, Rule, whole
from model_tools.training.memory import is_out_of_memory
from model_tools.training.places import without_folders
from model_tools.training.tally import COUNTS
from panoptic_perception.core.files import durable, whole_file

SCHEMA = 2
_NAMES = Rule(
    lambda v: isinstance(v, list) and all(isinstance(name, str) for name in v), 'a list of names'
)
_MAPPING = Rule(lambda v: isinstance(v, Mapping), 'a mapping')
_SIZE = Rule(
    lambda v: isinstance(v, list) and len(v) == 2 and all(map(whole(1).holds, v)),
    'width and height',
)
_NUMBERS = Rule(
    lambda v: isinstance(v, Mapping) and all(type(x) in (int, float) for x in v.values()),
    'numbers by name',
)
PARTS: Mapping[str, Rule] = {
    'network': _MAPPING,
    'training': _MAPPING,
    'averaged': _MAPPING,
    'epoch': whole(0),
    'step': whole(0),
}
"""What a checkpoint and a weights file both hold: enough to run their network."""
PROGRESS: Mapping[str, Rule] = {
    'weights': _MAPPING,
    'optimizer': _MAPPING,
    'task_weights': _MAPPING,
    'warm_started': _NAMES,
    'epoch_steps': whole(1),
    'tally': _NUMBERS,
}
"""What only a checkpoint holds: enough to go on."""
_SETTINGS: Mapping[str, Rule] = {
    'data': PATH,
    'synthetic': PATH,
    'warm_start': PATH,
    'holdout_groups': _NAMES,
    'input_wh': _SIZE,
    'epochs': whole(1),
}
"""What others than a resumed run want to know of the settings of a run."""
_LATER_SETTINGS: Mapping[str, Rule] = {'label_set': PATH, 'fade_share': SHARE}
"""The same of settings that older runs lack."""


class CheckpointError(ValueError):
    """A checkpoint is missing, not readable, or of another network or schema."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write atomically, so that an interrupted run leaves the previous checkpoint whole."""
    save_tensors(path, {'schema': SCHEMA, **state})


def save_tensors(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file for `torch.load` that is there whole or not at all."""
    with whole_file(path) as part, durable(part) as file:
        torch.save(values, file)


def save_weights(path: Path, state: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
    """
    Write the averaged weights of a checkpoint's state, in half precision, for use elsewhere.

    Of the paths in its settings only the names are kept: they say which, not where.
    """
    small = {
        'network': state['network'],
        'training': without_folders(state['training']),
        'averaged': {name: _halved(tensor) for name, tensor in state['averaged'].items()},
        'kept': state.get('kept', {}),
        'epoch': state['epoch'],
        'step': state['step'],
        'provenance': dict(provenance),
    }
    save_checkpoint(path, small)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """
    Read a checkpoint or weights file; only tensors and plain values are accepted.

    Of a pruned network `kept` says for each layer which filters of its first parent are left, as
    rising int64 indices; of another it is empty.
    """
    expected = f"'{path}': expected a checkpoint of `model_tools train`"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"'{path}': no such checkpoint; train first") from None
    except OSError as error:
        raise CheckpointError(f'{expected}, found: {error.strerror}') from error
    try:
        state = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f'{expected}, found one that holds more than tensors and plain values, or none at '
            'all; it is not read, since it could run code'
        ) from error
    except Exception as error:  # of many kinds, and torch's own words fill paragraphs
        raise CheckpointError(
            f'{expected}, found a file cut short or damaged; copy it again'
        ) from error
    found = set(state) if isinstance(state, dict) else set()
    if found and state.get('schema', 1) != SCHEMA:
        raise CheckpointError(
            f'{expected} of schema {SCHEMA}, found schema {state.get("schema", 1)!r}: it belongs '
            'to another version; train again, or use that version'
        )
    if missing := sorted(set(PARTS) - found):
        raise CheckpointError(f'{expected}, found one without {missing}')
    if wrong := _broken(state, PARTS) or _broken_settings(state['training']):
        raise CheckpointError(f'{expected}, found one that cannot be used: {"; ".join(wrong)}')
    try:
        # With all keys: those that did not exist then had today's defaults.
        state['network'] = NetworkConfig.from_dict(state['network']).to_dict()
        state['averaged'] = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in state['averaged'].items()
        }
        kept = state.setdefault('kept', {})
        if any(index.dtype != torch.int64 or index.ndim != 1 for index in kept.values()):
            raise TypeError('kept is not of lists of indices')
    except (NetworkConfigError, AttributeError, TypeError) as error:
        raise CheckpointError(f'{expected}, found one that cannot be used: {error}') from error
    return state


def check_progress(state: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on from a state, read from `path`, that lacks what is needed for it."""
    expected = f"'{path}': expected a checkpoint to go on from"
    if missing := sorted(set(PROGRESS) - set(state)):
        raise CheckpointError(
            f'{expected}, found one without {missing}: give it as `start` of another run'
        )
    wrong = _broken(state, PROGRESS)
    if not wrong and state['tally'] and not state['tally'].keys() >= set(COUNTS):
        wrong = [f'tally is {reprlib.repr(state["tally"])}, expected {COUNTS} in it']
    if wrong:
        raise CheckpointError(
            f'{expected}, found one that is damaged: {"; ".join(wrong)}; give it as `start` of '
            'another run'
        )


def file_sha256(path: Path) -> str:
    """Return the hash that tells one file of weights from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_network(path: Path) -> PanopticNet:
    """Return the network with the averaged weights of a checkpoint, in evaluation mode."""
    return network_of(load_checkpoint(path), path)


def network_of(state: Mapping[str, Any], path: Path) -> PanopticNet:
    """Return the network of a state that was read from `path`."""
    try:
        net = PanopticNet(NetworkConfig.from_dict(state['network']))
    except NetworkConfigError as error:
        raise CheckpointError(f"'{path}': its network cannot be built: {error}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"'{path}': its network is too large for the memory of this machine: take a narrower "
            'one'
        ) from error
    load_weights(net, state, path)
    return net.eval()


def load_weights(net: PanopticNet, state: Mapping[str, Any], path: Path) -> None:
    """Give a network the averaged weights of a state that was read from `path`.

    Raises:
        CheckpointError: They are those of another architecture; names what differs first. Or they
            are of a run whose activations are still between two kinds, or not finite.
    """
    fading = state['training'].get('fade_share', 0.0)
    if fading and state['epoch'] < fading * state['training']['epochs']:
        raise CheckpointError(
            f"'{path}': its activations are still fading, no network has them: go on with the run"
        )
    own, other = net.config.to_dict(), NetworkConfig.from_dict(state['network']).to_dict()
    differing = [
        f'network.{key} is {reprlib.repr(other[key])}, expected {reprlib.repr(own[key])}'
        for key in own
        if own[key] != other[key]
    ]
    if not differing:
        wanted, given = (_shapes(tensors) for tensors in (net.state_dict(), state['averaged']))
        differing = [
            f'{name} is {given.get(name)}, expected {wanted.get(name)}'
            for name in {**wanted, **given}
            if given.get(name) != wanted.get(name)
        ]
    if differing:
        raise CheckpointError(
            f"'{path}': its weights are those of another architecture: {'; '.join(differing[:3])}"
        )
    if lost := [name for name, x in state['averaged'].items() if not x.isfinite().all()]:
        raise CheckpointError(
            f"'{path}': expected finite weights, found NaN or infinite ones in {lost[0]} and "
            f'{len(lost) - 1} other tensors: take an earlier checkpoint, or train again'
        )
    net.load_state_dict(state['averaged'])


def _broken_settings(training: Mapping[str, Any]) -> list[str]:
    later = {name: rule for name, rule in _LATER_SETTINGS.items() if name in training}
    return _broken(training, {**_SETTINGS, **later}, 'training.')


def _broken(values: Mapping[str, Any], rules: Mapping[str, Rule], prefix: str = '') -> list[str]:
    """Say of each value that breaks its rule what it is, in few words, and what was expected."""
    return [
        f'{prefix}{name} is {reprlib.repr(values.get(name))}, expected {rule.expected}'
        for name, rule in rules.items()
        if not rule.holds(values.get(name))
    ]


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _halved(tensor: torch.Tensor) -> torch.Tensor:
    """Return a matrix in half precision; vectors stay, as variances can leave its range."""
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor.clone()
