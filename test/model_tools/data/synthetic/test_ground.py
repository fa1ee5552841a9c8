# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.camera import Camera
from model_tools.data.synthetic.ground import see_ground
from model_tools.data.synthetic.road import Road
from model_tools.data.synthetic.scenario import PLACES


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('seed', [0, 1])
def test_see_ground__projects_back_to_its_pixels(place, seed):
    road = Road(np.random.default_rng(seed), place)
    s = 500.0
    position, heading = road.pose(s, -1.7)
    camera = Camera.looking(
        size_wh=(640, 360),
        focal=520.0,
        position=position + (0, 0, 1.4),
        yaw=heading + 0.02,
        pitch=0.04,
        roll=0.01,
    )
    ground = see_ground(road, camera, s)
    assert ground.d.shape == (360 - ground.top, 640)
    # Close to the horizon a pixel is a long stretch of road; 20 rows below it is not.
    rows, columns = np.nonzero(ground.visible & (ground.ahead < 80))
    assert len(rows) > 50_000
    ahead, d = ground.ahead[rows, columns], ground.d[rows, columns]
    pixels = camera.to_pixels(camera.to_camera(road.points(s + ahead, d)))
    error = np.abs(pixels - np.stack([columns, rows + ground.top], -1)).max(axis=1)
    assert np.percentile(error, 99) < 0.25
    assert np.median(error) < 0.02
