# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import rclpy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from panoptic_perception.core.codec import ImageLimits
from panoptic_perception.core.overlay import draw_overlay
from panoptic_perception.engines import load_engine
from panoptic_perception.ros import outputs
from panoptic_perception.ros.messages import decode, image_message
from panoptic_perception.ros.outputs import turn_at
from panoptic_perception.ros.panoptic_node import PanopticNode
from panoptic_perception.runtime.perceiver import Perceiver

NODE = '/panoptic_perception'


@pytest.fixture
def camera(start_node, peer, tiny_model):
    """Return a publisher that feeds an active node."""
    start_node(model=tiny_model, image_reliability='reliable', overlay_rate_hz=1.0)
    peer.wait_active()
    publisher = peer.publisher(Image, '/image')
    peer.wait(publisher.get_subscription_count, 'the subscription')
    return publisher


def test_label_info__reaches_a_late_joiner(camera, peer):
    received = peer.subscribe(LabelInfo, f'{NODE}/label_info', latched=True)
    peer.wait(lambda: received, 'label info')
    names = [(item.class_id, item.class_name) for item in received[0].class_map]
    assert names == [(0, 'vehicle'), (1, 'person'), (2, 'cycle')]
    assert received[0].threshold == pytest.approx(0.3)


def test_label_info__follows_the_score_threshold(camera, peer):
    received = peer.subscribe(LabelInfo, f'{NODE}/label_info', latched=True)
    peer.wait(lambda: received, 'label info')
    assert peer.set_parameters(lane_threshold=0.5)[0].successful  # no news for label info
    assert peer.set_parameters(score_threshold=0.75)[0].successful
    peer.wait(lambda: len(received) > 1, 'new label info')
    assert [message.threshold for message in received] == pytest.approx([0.3, 0.75])


@pytest.mark.parametrize(
    ('frames_per_s', 'drawn'), [(1, 10), (5, 50), (9.5, 95), (15, 100), (30, 100), (100, 100)]
)
def test_turn_at__keeps_the_rate_of_10_hz(frames_per_s, drawn):
    last_s, count = 0.0, 0
    for frame in range(round(10 * frames_per_s)):
        now_s = 1e6 + frame / frames_per_s
        if (turn_s := turn_at(last_s, now_s, 0.1)) is not None:
            last_s = turn_s
            count += 1
    assert count == pytest.approx(drawn, abs=1)


def test_overlay__only_while_watched_and_not_too_often(camera, peer, tiny_model, scene):
    answers = peer.subscribe(Detection2DArray, f'{NODE}/detections')

    def feed(count):
        first = len(answers)
        for index in range(first, first + count):
            header = Header(frame_id='camera')
            header.stamp.sec = index + 1
            camera.publish(image_message(header, scene))
            peer.wait(lambda n=index + 1: len(answers) == n, 'an answer')

    feed(5)
    status = peer.wait_counters(results=5)
    assert status['failed'] == 0
    unwatched_ms = float(peer.status()['overhead_p50_ms'])
    assert unwatched_ms > 0

    raw = peer.subscribe(Image, f'{NODE}/overlay')
    compressed = peer.subscribe(CompressedImage, f'{NODE}/overlay/compressed')
    overlay = peer.node.get_publishers_info_by_topic
    peer.wait(lambda: overlay(f'{NODE}/overlay'), 'the overlay')

    def watched():
        feed(1)
        return raw and compressed

    peer.wait(watched, 'an overlay')
    feed(8)
    assert len(raw) < len(answers) - 5
    newest = raw[-1]
    assert (newest.encoding, newest.width, newest.height) == ('bgr8', 1280, 720)
    assert newest.header in [message.header for message in answers]
    result = Perceiver(load_engine(tiny_model))(scene)
    expected = draw_overlay(scene, result, caption='')
    drawn = decode(newest, ImageLimits())
    # The caption tells the time that it took, which differs.
    same = (drawn == expected).all(axis=2)
    assert same.mean() > 0.9
    jpeg = decode(compressed[-1], ImageLimits())
    assert np.abs(jpeg.astype(int) - drawn).mean() < 10


def test_overlay__that_fails_costs_no_result(peer, tiny_model, scene, monkeypatch, capfd):
    def fail(*_, **__):
        raise ValueError('no ink')

    monkeypatch.setattr(outputs, 'draw_overlay', fail)
    answers = peer.subscribe(Detection2DArray, f'{NODE}/detections')
    overlays = peer.subscribe(Image, f'{NODE}/overlay')
    rclpy.init(args=['--ros-args', '-p', f'model:={tiny_model}'])
    node = PanopticNode()
    try:
        node.autostart()
        topics = [f'{NODE}/detections', f'{NODE}/overlay']
        peer.wait(lambda: all(map(node.count_subscribers, topics)), 'the subscriptions')
        node._on_image(serialize_message(image_message(Header(), scene)))
        peer.wait(lambda: answers, 'an answer')
        assert node._counters.wait_until_idle(timeout_s=10)
    finally:
        node.close()
        node.destroy_node()
        rclpy.try_shutdown()
    counters = node._counters.snapshot()
    assert (counters.results, counters.failed) == (1, 0)
    assert not overlays
    assert 'no overlay: no ink' in capfd.readouterr().err
