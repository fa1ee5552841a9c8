# SPDX-License-Identifier: Apache-2.0
import shutil

import numpy as np
import pytest

from model_tools.compression.quantization.calibration import (
    Scene,
    calibration_images,
    choose_scenes,
    survey,
)
from model_tools.data.problems import DatasetError
from model_tools.data.readers import open_data


@pytest.mark.parametrize(
    ('scenes', 'count', 'expected'),
    [
        ([], 3, []),
        ([(90, 1)], 3, [0]),
        ([(90, 1), (91, 1), (92, 1)], 3, [0, 1, 2]),
        # All are equally bright: the fewest objects, the most, and what is between.
        ([(90, 4), (90, 0), (90, 9), (90, 2), (90, 3)], 3, [1, 2, 4]),
        # The only dark one is there, however many are bright.
        ([(100, 5), (101, 5), (10, 5), (102, 5), (100, 6), (101, 7)], 2, [0, 2]),
    ],
)
def test_choose_scenes(scenes, count, expected):
    assert choose_scenes([Scene(*s) for s in scenes], count) == expected


@pytest.mark.parametrize('count', [4, 40, 199])
def test_choose_scenes__as_many_as_asked_for_and_every_brightness(count):
    rng = np.random.default_rng(0)
    scenes = [
        Scene(b, o) for b, o in zip(rng.normal(120, 20, 200), rng.poisson(6, 200), strict=True)
    ]
    chosen = choose_scenes(scenes, count)
    assert len(chosen) == len(set(chosen)) == count
    assert chosen == sorted(chosen)
    brightness = np.array([s.brightness for s in scenes])
    assert brightness[chosen].min() < np.quantile(brightness, 0.1)
    assert brightness[chosen].max() > np.quantile(brightness, 0.9)


def test_survey__tells_what_is_held_out_from_what_may_be_looked_at(road_folder):
    scenes, held_out = survey(open_data(road_folder), ['road_[67]'], max_skipped=0)
    assert held_out == ['road_6', 'road_7']
    assert sorted(scenes) == [f'road_{i}' for i in range(6)]
    assert {scene.objects for scene in scenes.values()} == {1}
    assert all(60 < scene.brightness < 120 for scene in scenes.values())


@pytest.mark.parametrize(
    ('groups', 'message'),
    [
        (['road_1', 'elsewhere'], r"the train split has no group \['elsewhere'\]"),
        ([f'road_{i}' for i in range(8)], 'nothing to calibrate on'),
    ],
)
def test_survey__nothing_to_score_on_or_nothing_to_look_at(road_folder, groups, message):
    with pytest.raises(DatasetError, match=message):
        survey(open_data(road_folder), groups, max_skipped=0)


def test_survey__counts_what_cannot_be_read(road_folder, tmp_path):
    shutil.copytree(road_folder, tmp_path / 'roads')
    (tmp_path / 'roads' / 'images' / 'train' / 'road_3.jpg').write_bytes(b'no image')
    data = open_data(tmp_path / 'roads')
    assert 'road_3' not in survey(data, ['road_7'], max_skipped=0.5)[0]
    with pytest.raises(DatasetError, match='road_3'):
        survey(data, ['road_7'], max_skipped=0.01)


def test_calibration_images__as_the_network_sees_them(road_folder):
    data = open_data(road_folder)
    scenes, _ = survey(data, ['road_7'], max_skipped=0)
    images = calibration_images(data, scenes, 2, (160, 128))
    assert [(image.shape, image.dtype) for image in images] == [((128, 160, 3), np.uint8)] * 2
    assert (images[0][:16] == 114).all(), 'a letterbox'
