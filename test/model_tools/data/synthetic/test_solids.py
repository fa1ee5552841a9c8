# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.synthetic.camera import Camera
from model_tools.data.synthetic.labels import drawn, visible_boxes
from model_tools.data.synthetic.light import make_light
from model_tools.data.synthetic.painter import Canvas
from model_tools.data.synthetic.people import draw_person, paint_limbs, walking
from model_tools.data.synthetic.scenario import Scenario
from model_tools.data.synthetic.solids import paint_solid
from model_tools.data.synthetic.vehicles import KINDS, draw_vehicle


def empty_canvas():
    camera = Camera.looking(
        size_wh=(640, 360), focal=500.0, position=np.array([0, 0, 1.5]), yaw=0, pitch=0, roll=0
    )
    light = make_light(np.random.default_rng(0), Scenario())
    return Canvas(
        camera, light, np.full((360, 640, 3), 90, np.uint8), np.zeros((360, 640), np.int16)
    )


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('yaw', [0.0, 0.6, np.pi / 2, 2.4, np.pi])
def test_paint_solid__box_is_the_extent_of_the_projected_corners(kind, yaw):
    canvas = empty_canvas()
    vehicle = draw_vehicle(np.random.default_rng(1), kinds=(kind,))
    place = np.array([22.0, -1.0, 0.0])
    albedo = vehicle.albedo(lamps=False, brakes=False)
    extent = paint_solid(canvas, vehicle.solid, place, yaw, albedo, 1)
    (box,) = visible_boxes(canvas.owner, [drawn(canvas.owner, 1, 'car', extent)])

    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    pixels = canvas.camera.to_pixels(canvas.camera.to_camera(vehicle.solid.corners @ turn + place))
    expected = [*pixels.min(0), *(pixels.max(0) + 1)]
    np.testing.assert_allclose(box.xyxy, expected, atol=1.5)
    changed = (canvas.image != 90).any(axis=2)
    rows, columns = np.nonzero(changed)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box.xyxy, seen, atol=2)  # a smooth rim bleeds into neighbours


@pytest.mark.parametrize('x', [-30.0, -3.0])
def test_paint_solid__behind_the_camera_leaves_no_trace(x):
    canvas = empty_canvas()
    vehicle = draw_vehicle(np.random.default_rng(1), kinds=('sedan',))
    albedo = vehicle.albedo(lamps=True, brakes=True)
    assert paint_solid(canvas, vehicle.solid, np.array([x, 0, 0]), 0.0, albedo, 1) is None
    assert (canvas.image == 90).all()
    assert (canvas.owner == 0).all()


def test_paint_solid__across_the_near_plane_stays_inside_its_silhouette():
    canvas = empty_canvas()
    vehicle = draw_vehicle(np.random.default_rng(1), kinds=('sedan',))
    albedo = vehicle.albedo(lamps=False, brakes=False)
    paint_solid(canvas, vehicle.solid, np.array([1.0, -2.0, 0.0]), 0.0, albedo, 1)
    assert (canvas.owner[:, 330:] == 1).any()
    assert (canvas.owner[:, :320] == 0).all()
    assert (canvas.image[:, :320] == 90).all()


@pytest.mark.parametrize('yaw', [0.0, 1.2, np.pi])
def test_paint_limbs__a_walker_stands_on_the_ground_at_full_height(yaw):
    canvas = empty_canvas()
    person = draw_person(np.random.default_rng(5))
    limbs = walking(person, 0.3, standing=False)
    extent = paint_limbs(canvas, limbs, np.array([10.0, 2.0, 0.0]), yaw, 3, beam=0.0)
    (box,) = visible_boxes(canvas.owner, [drawn(canvas.owner, 3, 'person', extent)])
    _, top, _, bottom = box.xyxy
    foot = 179.5 + 1.5 * 500 / 10
    assert bottom == pytest.approx(foot, abs=3.5)
    assert bottom - top == pytest.approx(person.height * 500 / 10, rel=0.08)
