# SPDX-License-Identifier: Apache-2.0
from dataclasses import asdict, replace

import pytest
import yaml

from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.settings import ConfigError


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ({}, TRAINING),
        ({'mosaic': 0}, replace(TRAINING, mosaic=0)),
        ({'scale': [0.5, 2]}, replace(TRAINING, scale=(0.5, 2))),
        ({'shift': '5e-2'}, replace(TRAINING, shift=0.05)),
    ],
)
def test_from_dict__changes_the_training_default(values, expected):
    assert Augmentation.from_dict(values) == expected


def test_from_dict__reads_what_yaml_wrote():
    written = yaml.safe_dump({**asdict(TRAINING), 'scale': list(TRAINING.scale)})
    assert Augmentation.from_dict(yaml.safe_load(written)) == TRAINING


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        (
            {'mosiac': 0.3, 'hail': 1},
            r"unknown keys \['hail', 'mosiac'\]; known: \['blur'",
        ),
        ({'hail': 1, 3: 1}, r"unknown keys \['3', 'hail'\]"),
        (
            {'night': 1.2},
            'augmentation.night is 1.2, expected a number of at least 0',
        ),
        ({'flip': -0.1}, 'augmentation.flip is -0.1, expected'),
        ({'fog': 'often'}, "augmentation.fog is 'often', expected"),
        ({'rain': True}, 'augmentation.rain is True, expected'),
        ({'blur': float('nan')}, 'augmentation.blur is nan, expected'),
        (
            {'rotate': 90},
            'rotate is 90, expected a number of .* at most 45',
        ),
        (
            {'scale': 1.5},
            'scale is 1.5, expected the least and the greatest zoom, two',
        ),
        ({'scale': [1.5, 0.5]}, r'scale is \(1.5, 0.5\), expected'),
        ({'scale': [0.5]}, 'two numbers'),
        ({'scale': [0, 1]}, 'two numbers'),
        ({'scale': ['a', 1]}, 'two numbers'),
    ],
)
def test_from_dict__refuses(values, words):
    with pytest.raises(ConfigError, match=words):
        Augmentation.from_dict(values)
