# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: its settings, checkpoints, metrics and pictures."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from model_tools.settings import ConfigError
from model_tools.training.checkpoint import (
    check_progress,
    load_checkpoint,
    save_checkpoint,
    save_tensors,
    save_weights,
)
from model_tools.training.config import TrainingConfig, training_config
from model_tools.training.curves import draw_curves
from panoptic_perception.core.files import write_whole

MAY_CHANGE = {'data', 'synthetic', 'cache', 'max_skipped', 'look_every', 'score_every'}
"""Settings that a run may go on with other values of: they do not change what it learns."""


class RunFolder:
    """Reads and writes the files of a run; every file is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoint = root / 'last.pt'
        self.weights = root / 'weights.pt'
        self.cache = root / 'cache'
        self.records: list[dict[str, Any]] = []
        """One for each finished epoch."""
        self._resumed: int | None = None
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Let other runs in."""
        self._closing.close()

    def resume(self, config: TrainingConfig) -> dict[str, Any] | None:
        """Return the state that the run was left in; None if it has not begun.

        Raises:
            ConfigError: The run was begun with other settings, or its records are damaged.
            CheckpointError: Its checkpoint cannot be read, is damaged, or is a weights file.
        """
        if not self.checkpoint.is_file():
            return None
        self._resumed = self._saved()
        state = load_checkpoint(self.checkpoint)
        check_progress(state, self.checkpoint)
        # Read as settings: those that did not exist then had today's defaults.
        begun = _flat(training_config(state['training'], f"'{self.checkpoint}'").to_dict())
        given = _flat(config.to_dict())
        keys = [k for k in {**begun, **given} if k.split('.')[0] not in MAY_CHANGE]
        if changed := [k for k in keys if begun.get(k) != given.get(k)]:
            found = '; '.join(f'{k} was {begun.get(k)!r}, is {given.get(k)!r}' for k in changed)
            raise ConfigError(
                f"'{self.root}': a run goes on with the settings that it was begun with: {found}; "
                'give those, or another --out'
            )
        metrics = self.root / 'metrics.jsonl'
        try:
            lines = metrics.read_text().splitlines() if metrics.is_file() else []
            records = [json.loads(line) for line in lines]
        except ValueError as error:
            raise ConfigError(
                f"'{metrics}': expected a record a line, found it damaged ({error}); remove it to "
                'go on without'
            ) from error
        self.records = [record for record in records if record['step'] <= state['step']]
        return state

    def begin(self, config: TrainingConfig) -> None:
        """Make the folder, keep other runs out of it and write down all settings.

        Raises:
            ConfigError: Another run is going on there, or has gone on since `resume`.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        lock = self._closing.enter_context((self.root / '.lock').open('w'))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"'{self.root}': another run is going on there; wait for its end, or give another "
                '--out'
            ) from None
        except OSError:
            pass  # a network file system without locks
        if self._saved() != self._resumed:
            raise ConfigError(
                f"'{self.root}': another run went on there meanwhile; the same command goes on "
                'from where it ended'
            )
        text = yaml.safe_dump(config.to_dict(), sort_keys=False)
        write_whole(self.root / 'config.yaml', text.encode())

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.checkpoint, state)

    def save_batch(self, batch: Mapping[str, Any], rank: int) -> Path:
        """Write down a batch of one process that could not be learned from."""
        path = self.root / (f'bad_batch_{rank}.pt' if rank else 'bad_batch.pt')
        save_tensors(path, batch)
        return path

    def finish(self, state: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Write the averaged weights of a run that has come to its end."""
        save_weights(self.weights, state, provenance)

    def has_record(self, epoch: int) -> bool:
        """Return whether an epoch is in `metrics.jsonl`."""
        return any(record['epoch'] == epoch for record in self.records)

    def add_record(self, record: dict[str, Any]) -> None:
        """Append the record of an epoch to `metrics.jsonl` and draw the curves anew."""
        self.records.append(record)
        text = ''.join(json.dumps(r) + '\n' for r in self.records)
        write_whole(self.root / 'metrics.jsonl', text.encode())
        draw_curves(self.records, self.root / 'curves.png')

    def look(self, epoch: int) -> Path:
        """Return where the contact sheet of an epoch belongs."""
        return self.root / 'looks' / f'epoch_{epoch:03d}.png'

    def _saved(self) -> int | None:
        """Return when the checkpoint was written, ns; None if there is none."""
        return self.checkpoint.stat().st_mtime_ns if self.checkpoint.is_file() else None


def _flat(values: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested settings by dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat.update(_flat(value, f'{prefix}{key}.') if nested else {f'{prefix}{key}': value})
    return flat
