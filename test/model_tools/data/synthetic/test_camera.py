# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.camera import NEAR_M, Camera, clip_near


def camera(**pose):
    angles = {'yaw': 0.0, 'pitch': 0.0, 'roll': 0.0} | pose
    return Camera.looking(
        size_wh=(641, 361), focal=500.0, position=np.array([1, 2, 1.5]), **angles
    )


@pytest.mark.parametrize(
    ('pose', 'world', 'pixel'),
    [
        ({}, (11, 2, 1.5), (320, 180)),
        ({}, (11, 3, 1.5), (270, 180)),  # left of the axis is left in the picture
        ({}, (11, 2, 0.5), (320, 230)),  # below the axis is low in the picture
        ({'yaw': np.pi / 2}, (1, 12, 2.5), (320, 130)),
        ({'pitch': np.arctan(0.1)}, (11, 2, 0.5), (320, 180)),  # looks down at it
        ({'roll': np.pi / 2}, (11, 3, 1.5), (320, 230)),  # turned clockwise, left is down
    ],
)
def test_projection(pose, world, pixel):
    eye = camera(**pose)
    found = eye.to_pixels(eye.to_camera(np.array(world, float)))
    np.testing.assert_allclose(found, pixel, atol=1e-9)


def test_rays__pass_through_their_pixels():
    eye = camera(yaw=0.7, pitch=0.1, roll=-0.05)
    pixels = np.random.default_rng(0).uniform(0, 360, (50, 2))
    seen = eye.position + 7.0 * eye.rays(pixels)
    np.testing.assert_allclose(eye.to_pixels(eye.to_camera(seen)), pixels, atol=1e-8)


@pytest.mark.parametrize(
    ('depths', 'count'), [((2, 2, 2), 3), ((-1, -1, -1), 0), ((2, 2, -1), 4), ((2, -1, -1), 3)]
)
def test_clip_near(depths, count):
    triangle = np.array([(0, 0, depths[0]), (1, 0, depths[1]), (0, 1, depths[2])], float)
    clipped = clip_near(triangle)
    assert clipped.shape == (count, 3)
    assert (clipped[:, 2] >= NEAR_M - 1e-12).all()


def test_as_dict__gives_a_pinhole_matrix():
    values = camera().as_dict()
    assert values['k'] == [500.0, 0.0, 320.0, 0.0, 500.0, 180.0, 0.0, 0.0, 1.0]
    assert (values['width'], values['height']) == (641, 361)
    assert values['position'] == [1.0, 2.0, 1.5]
