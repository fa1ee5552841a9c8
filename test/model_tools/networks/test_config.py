# SPDX-License-Identifier: Apache-2.0
import pytest
import yaml

from model_tools.networks.config import SIZES, NetworkConfig, NetworkConfigError


@pytest.mark.parametrize('size', SIZES)
def test_network_config__round_trip_through_yaml(size):
    config = NetworkConfig.from_dict({'size': size, 'labels': ['vehicle']})
    text = yaml.safe_dump(config.to_dict())
    assert NetworkConfig.from_dict(yaml.safe_load(text)) == config


def test_network_config__keys_beside_a_size_override_it():
    config = NetworkConfig.from_dict({'size': 'm', 'detection_width': 32, 'attention': True})
    assert config.backbone_widths == (32, 64, 128, 256, 512)
    assert (config.detection_width, config.segmentation_width) == (32, 48)
    assert config.attention


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'size': 'x'}, "network.size is 'x'"),
        ({'size': ['n']}, r"network.size is \['n'\]"),
        ({'widht': 3, 4: 5}, r"unknown keys \['4', 'widht'\]"),
        ({1: 2, 'x': 3}, "'1', 'x'"),
        ({'labels': []}, 'labels'),
        ({'labels': 'vehicle'}, "labels is 'vehicle', expected a list"),
        ({'labels': [1]}, 'labels'),
        ({'attention': 3}, 'attention is 3, expected true or false'),
        ({'backbone_widths': 16}, 'backbone_widths is 16, expected five even numbers'),
        ({'backbone_depths': [True, 1, 1, 1]}, 'backbone_depths'),
        ({'convolution': 'deformable'}, 'convolution'),
        ({'activation': 'gelu'}, 'activation'),
        ({'backbone_widths': [16, 32, 64]}, 'backbone_widths'),
        ({'backbone_depths': [1, 1, 1, 1, 1]}, 'backbone_depths'),
        ({'detection_width': 33}, 'detection_width is 33, expected an even number'),
        ({'segmentation_width': 0}, 'segmentation_width'),
        ({'segmentation_width': 4096}, 'segmentation_width is 4096, .* to 2048'),
        ({'backbone_widths': [16, 32, 64, 128, 10**12]}, 'to 2048'),
        ({'backbone_depths': [1, 1, 1, 10**9]}, 'to 64'),
        ({'encoder_depth': 0}, 'encoder_depth'),
        ({'attention': True, 'backbone_widths': [8, 8, 16, 16, 40]}, 'attention'),
    ],
)
def test_network_config__cannot_be_built(values, words):
    with pytest.raises(NetworkConfigError, match=words):
        NetworkConfig.from_dict(values)
