# SPDX-License-Identifier: Apache-2.0
"""The folder of a compression: what each round has done, so that the next call goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from model_tools.compression.config import CompressionConfig, load_compression
from model_tools.compression.course import draw_course
from model_tools.settings import ConfigError
from model_tools.training.run_folder import MAY_CHANGE, RunFolder
from panoptic_perception.core.files import whole_file, write_json, write_whole


class RoundFolder:
    """What is known of a round: first how it was pruned, at last that it was accepted."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pruned = root / 'pruned.pt'
        self.tuning = root / 'tuning'
        self.tuned = root / 'tuning' / 'weights.pt'

    def read(self, name: str) -> dict[str, Any] | None:
        """Return 'pruning', 'accepted' or 'taken_back'; None if it has not come to that."""
        path = self.root / f'{name}.json'
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError as error:
            raise ConfigError(
                f"'{path}': expected the record of a round, found no JSON ({error}); remove the "
                'folder of the round, which is then made again'
            ) from error

    def write(self, name: str, record: Mapping[str, Any]) -> None:
        """Write one of them down."""
        self.root.mkdir(parents=True, exist_ok=True)
        write_json(self.root / f'{name}.json', record)


class CompressionFolder:
    """The files of a compression; every one is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / 'cache'
        self.latencies = root / 'latencies.json'
        self.student = root / 'student.pt'
        self.model_file = root / 'student.onnx'
        self.record = root / 'compression.json'
        self.curves = root / 'curves.png'
        self._settings = root / 'config.yaml'

    @property
    def has_begun(self) -> bool:
        """Whether a round was made, be it in part."""
        return any(self.root.glob('round_[1-9]*'))

    def check(self, config: CompressionConfig) -> None:
        """Raise ConfigError unless a compression with these settings can begin or go on here."""
        path = self._settings
        if self.has_begun:
            # Read as settings: those that did not exist then had today's defaults.
            begun = load_compression(path).to_dict()
            if _what_decides(begun) != _what_decides(config.to_dict()):
                raise ConfigError(
                    f"'{self.root}': a compression goes on with the settings that it was begun "
                    f"with, those of '{path}'; give them, or another --out"
                )
        elif RunFolder(self.root).checkpoint.is_file() or not _is_of_compression(path):
            raise ConfigError(
                f"'{self.root}': expected a new folder or one of a compression, found a run of "
                'something else; give another --out'
            )

    def begin(self, config: CompressionConfig) -> None:
        """Write down the settings; ConfigError as `check`."""
        self.check(config)
        self.root.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(config.to_dict(), sort_keys=False)
        write_whole(self._settings, text.encode())

    def round(self, number: int) -> RoundFolder:
        """Return the folder of a round's present attempt."""
        return RoundFolder(self.root / f'round_{number}')

    def taken_back(self, number: int) -> list[RoundFolder]:
        """Return the attempts at a round that did not pass the gate."""
        return [
            RoundFolder(path) for path in sorted(self.root.glob(f'round_{number}_taken_back_*'))
        ]

    def take_back(self, number: int, record: Mapping[str, Any]) -> None:
        """Put the present attempt at a round aside."""
        attempt = self.round(number)
        attempt.write('taken_back', record)
        count = 1 + len(self.taken_back(number))
        attempt.root.rename(self.root / f'round_{number}_taken_back_{count}')

    def spared(self, until: int) -> list[str]:
        """Return the groups that lose nothing more, for what they meant up to this round."""
        records = [
            attempt.read('taken_back') or {}
            for number in range(1, until + 1)
            for attempt in self.taken_back(number)
        ]
        return sorted({group for record in records for group in record.get('spared', [])})

    def describe_round(self, number: int) -> dict[str, Any]:
        """Return all that is written down of a round."""
        return {
            'round': number,
            'taken_back': [attempt.read('taken_back') for attempt in self.taken_back(number)],
            'pruned': self.round(number).read('pruning'),
            'tuned': self.round(number).read('accepted'),
        }

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write down the whole of it, and draw it."""
        write_json(self.record, record)
        with whole_file(self.curves) as part:
            draw_course(record, part)


def _is_of_compression(path: Path) -> bool:
    """Return whether a file of settings can be one that `begin` wrote, or is not there."""
    try:
        return not path.exists() or bool(load_compression(path))
    except ConfigError:
        return False


def _what_decides(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that say where things are."""
    training = {k: v for k, v in settings['training'].items() if k not in MAY_CHANGE}
    return {**settings, 'training': training, 'teacher': '', 'latencies': ''}
