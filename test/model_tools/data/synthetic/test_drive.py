# SPDX-License-Identifier: Apache-2.0
import time

import cv2
import numpy as np
import pytest

from model_tools.data.synthetic import CATEGORIES, Drive, Scenario
from model_tools.data.synthetic.scenario import LIGHTS, PLACES, WEATHERS

CONDITIONS = [
    Scenario(place, light, weather)
    for place in PLACES
    for light in LIGHTS
    for weather in WEATHERS
    if (light, weather) != ('night', 'glare')
]


def same(a, b):
    return (
        all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ('image', 'drivable', 'lane'))
        and a.boxes == b.boxes
        and a.camera.as_dict() == b.camera.as_dict()
    )


@pytest.mark.parametrize('scenario', CONDITIONS, ids=lambda s: f'{s.place}-{s.light}-{s.weather}')
def test_render__every_condition_gives_a_whole_frame(scenario):
    frame = Drive(3, size_wh=(320, 180), scenario=scenario).render(2.0)
    assert (frame.image.shape, frame.image.dtype) == ((180, 320, 3), np.uint8)
    assert frame.image.std() > 3
    for mask in (frame.drivable, frame.lane):
        assert (mask.shape, mask.dtype) == ((180, 320), np.uint8)
        assert np.isin(mask, (0, 255)).all()
    assert 0.05 < (frame.drivable > 0).mean() < 0.75
    assert not (frame.lane & ~frame.drivable).any()
    for box in frame.boxes:
        x1, y1, x2, y2 = box.xyxy
        assert box.category in CATEGORIES
        assert 0 <= x1 < x2 <= 320
        assert 0 <= y1 < y2 <= 180
        assert 0 <= box.occlusion <= 1


def test_render__same_bytes_from_any_drive_in_any_order():
    scenario = Scenario('city', 'dusk', 'rain', 0.8)
    first, second = (Drive(11, size_wh=(320, 180), scenario=scenario) for _ in range(2))
    times = (4.0, 0.0, 2.5)
    frames = {t: first.render(t) for t in times}
    for t in reversed(times):
        assert same(second.render(t), frames[t])
        assert same(first.render(t), frames[t])
    assert not np.array_equal(frames[0.0].image, frames[2.5].image)
    other = Drive(12, size_wh=(320, 180), scenario=scenario).render(0.0)
    assert not np.array_equal(other.image, frames[0.0].image)


@pytest.mark.parametrize('t', [-0.1, 1e6, float('nan')])
def test_render__refuses_times_off_the_road(t):
    with pytest.raises(ValueError, match='this drive lasts'):
        Drive(0, size_wh=(64, 64)).render(t)


@pytest.mark.parametrize('size_wh', [(0, 0), (640, 0), (63, 64), (5000, 360)])
def test_drive__refuses_sizes(size_wh):
    with pytest.raises(ValueError, match='64 to 4096 pixels'):
        Drive(0, size_wh=size_wh)


def test_frames__are_the_rendered_ones():
    drive = Drive(4, size_wh=(160, 90))
    frames = drive.frames(fps=5.0)
    for index in range(3):
        assert same(next(frames), drive.render(index / 5.0))


@pytest.mark.parametrize('seed', range(4))
def test_lane_labels__lie_on_the_projected_lines(seed):
    """Project the layout's lines into the picture: labels are there and nowhere else."""
    drive = Drive(seed, scenario=Scenario('motorway', density=0.0))
    frame = drive.render(1.0)
    s_camera = drive.start_s + drive.traffic.speed
    near_a_line = np.zeros(frame.lane.shape, np.uint8)
    for line in drive.road.layout.lines:
        s = s_camera + np.linspace(3.0, 300.0, 1500)
        points = frame.camera.to_camera(drive.road.points(s, np.full_like(s, line.d)))
        pixels = frame.camera.to_pixels(points[points[:, 2] > 0.5])
        path = np.rint(pixels * 16).astype(np.int32)
        half = 1.5 + line.width * frame.camera.focal / np.maximum(points[:, 2], 4.0)
        for a, b, thick in zip(path[:-1], path[1:], half[:-1], strict=False):
            cv2.line(near_a_line, a.tolist(), b.tolist(), 255, 1 + 2 * int(np.ceil(thick)), 8, 4)
        if not line.dashed:
            inside = ((pixels >= 0) & (pixels <= (639, 359))).all(1) & (points[:, 2] < 60)
            x, y = np.rint(pixels[inside]).astype(int).T
            free = frame.drivable[y, x] > 0
            if free.any():
                assert (frame.lane[y, x] > 0)[free].mean() > 0.95
    assert (frame.lane > 0).sum() > 500
    assert not (frame.lane & ~near_a_line).any()


@pytest.mark.parametrize('seed', range(4))
def test_drivable__is_the_pavement_and_nothing_beside_it(seed):
    drive = Drive(seed, scenario=Scenario('motorway', density=0.0))
    frame = drive.render(1.0)
    s = drive.start_s + drive.traffic.speed + np.linspace(6.0, 45.0, 200)
    for lo, hi in drive.road.layout.carriageways:
        for share, expected in ((-0.06, 0), (0.5, 255), (1.06, 0)):
            d = np.full_like(s, lo + share * (hi - lo))
            points = frame.camera.to_camera(drive.road.points(s, d))
            pixels = frame.camera.to_pixels(points)
            inside = ((pixels >= 0) & (pixels <= (639, 300))).all(1) & (points[:, 2] > 1)
            x, y = np.rint(pixels[inside]).astype(int).T
            found = frame.drivable[y, x]
            if expected == 0:
                assert (found == 0).all()
            elif lo < drive.traffic.ego_lane.d < hi:
                assert len(found) > 20
                assert all(
                    hidden(frame, *at) for at in zip(x[found == 0], y[found == 0], strict=True)
                )


def hidden(frame, x, y):
    """Say whether a road user covers a pixel."""
    return any(
        x1 - 1 <= x <= x2 and y1 - 1 <= y <= y2 for x1, y1, x2, y2 in (b.xyxy for b in frame.boxes)
    )


def test_speed__is_far_from_slow():
    drive = Drive(1, scenario=Scenario('suburb'))
    drive.render(0.0)
    start = time.process_time()
    for t in (0.5, 1.0, 1.5, 2.0):
        drive.render(t)
    # About 20 frames/s are the aim; a busy or slow machine must not fail the build.
    assert (time.process_time() - start) / 4 < 0.5
