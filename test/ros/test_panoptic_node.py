# SPDX-License-Identifier: Apache-2.0
"""The real node, as its own process, over real DDS, against the offline result."""

import itertools
import time
from collections import Counter

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray

from panoptic_perception.core.codec import decode_compressed
from panoptic_perception.engines import load_engine
from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.engines.recovering import FAILURES
from panoptic_perception.ros.messages import image_message
from panoptic_perception.runtime.perceiver import Perceiver

DETECTIONS = '/panoptic_perception/detections'
DRIVABLE = '/panoptic_perception/drivable_area/mask'
LANE = '/panoptic_perception/lane_lines/mask'
# Big images need it on the default settings of DDS.
RELIABLE = {'image_reliability': 'reliable', 'image_depth': 20}


def stamped(index, frame_id='camera'):
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = 1_700_000_000 + index, 123_456_789
    return header


def small_frame(index=0):
    """Return a small good camera message."""
    return image_message(stamped(index), np.full((90, 160, 3), 200, np.uint8))


def corners(message):
    return [
        [
            d.bbox.center.position.x - d.bbox.size_x / 2,
            d.bbox.center.position.y - d.bbox.size_y / 2,
            d.bbox.center.position.x + d.bbox.size_x / 2,
            d.bbox.center.position.y + d.bbox.size_y / 2,
        ]
        for d in message.detections
    ]


def pixels(message):
    assert (message.encoding, message.step) == ('mono8', message.width)
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


@pytest.mark.parametrize('resolution', ['source', 'model'])
@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_results__equal_the_offline_ones(
    start_node, peer, tiny_model, frames, transport, resolution
):
    node = start_node(
        model=tiny_model, image_transport=transport, mask_resolution=resolution, **RELIABLE
    )
    outputs = [
        peer.subscribe(Detection2DArray, DETECTIONS),
        peer.subscribe(Image, DRIVABLE),
        peer.subscribe(Image, LANE),
    ]
    camera = (
        peer.publisher(Image, '/image')
        if transport == 'raw'
        else peer.publisher(CompressedImage, '/image/compressed')
    )
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    perceiver = Perceiver(load_engine(tiny_model))
    for index, frame in enumerate(frames):
        header = stamped(index, frame_id=f'camera_{index}')
        if transport == 'raw':
            message, image = image_message(header, frame), frame
        else:
            jpeg = cv2.imencode('.jpg', frame)[1].tobytes()
            message, image = CompressedImage(header=header, format='jpeg', data=jpeg), None
            image = decode_compressed(jpeg)
        camera.publish(message)
        peer.wait(lambda n=index + 1: all(len(o) == n for o in outputs), f'outputs of {index}')
        detections, drivable, lane = (output[-1] for output in outputs)
        expected = perceiver(image)

        assert detections.header == drivable.header == lane.header == header
        assert [d.header for d in detections.detections] == [header] * len(expected.detections)
        np.testing.assert_allclose(corners(detections), expected.detections.boxes, atol=1e-4)
        hypotheses = [d.results[0].hypothesis for d in detections.detections]
        assert [h.class_id for h in hypotheses] == ['vehicle', 'person', 'cycle']
        np.testing.assert_allclose([h.score for h in hypotheses], expected.detections.scores)
        np.testing.assert_array_equal(pixels(drivable), expected.drivable_mask(resolution))
        np.testing.assert_array_equal(pixels(lane), expected.lane_mask(resolution))
    assert pixels(lane).shape == ((720, 1280) if resolution == 'source' else (360, 640))
    assert peer.wait_counters(results=3)['received'] == 3
    assert node.stop() == 0


def raw(**changes):
    """Return a 160x90 bgr8 message with some fields made wrong."""
    message = small_frame()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


MALFORMED_RAW = [
    (raw(width=0, step=0, data=b''), 'zero_size'),
    (raw(height=0, data=b''), 'zero_size'),
    (raw(width=0), 'zero_size'),
    (raw(data=b''), 'short_data'),
    (raw(data=bytes(480 * 90 - 1)), 'short_data'),
    (raw(step=0), 'bad_step'),
    (raw(step=479), 'bad_step'),
    (raw(encoding=''), 'unknown_encoding'),
    (raw(encoding='32FC1'), 'unknown_encoding'),
    (raw(width=0xFFFFFFFF, height=0xFFFFFFFF, step=0xFFFFFFFF), 'too_large'),
    (raw(width=9000, step=27000), 'too_large'),
    (serialize_message(small_frame())[:100], 'bad_message'),
    (b'\x00\x01\x00\x00', 'bad_message'),
]
JPEG = cv2.imencode('.jpg', np.full((90, 160, 3), 200, np.uint8))[1].tobytes()
PNG = cv2.imencode('.png', np.full((90, 160, 3), 200, np.uint8))[1].tobytes()
HUGE = PNG[:16] + (60_000).to_bytes(4, 'big') * 2 + PNG[24:]
MALFORMED_COMPRESSED = [
    (CompressedImage(data=b''), 'short_data'),
    (CompressedImage(data=b'no image at all'), 'unknown_encoding'),
    (CompressedImage(data=JPEG[: len(JPEG) // 2]), 'corrupt'),
    (CompressedImage(data=PNG[: len(PNG) // 2]), 'corrupt'),
    (CompressedImage(data=HUGE), 'too_large'),
    (b'\x00\x01\x00\x00\xff\xff\xff\xff', 'bad_message'),
]


@pytest.mark.parametrize(
    ('transport', 'topic', 'good', 'table'),
    [
        ('raw', '/image', small_frame(), MALFORMED_RAW),
        (
            'compressed',
            '/image/compressed',
            CompressedImage(header=stamped(0), data=JPEG),
            MALFORMED_COMPRESSED,
        ),
    ],
)
def test_malformed_messages__are_counted_and_the_next_good_frame_answered(
    start_node, peer, tiny_model, transport, topic, good, table
):
    node = start_node(model=tiny_model, image_transport=transport, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(type(good), topic)
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    counts = Counter()
    for index, (message, reason) in enumerate(table, start=1):
        camera.publish(message)
        counts[f'invalid__{reason}'] += 1
        peer.wait_counters(invalid=index, **counts)
        camera.publish(good)
        peer.wait(lambda n=index: len(answers) == n, f'the answer after {reason}')
    peer.wait_counters(received=2 * len(table), results=len(table), invalid=len(table), **counts)
    assert node.running
    assert node.stop() == 0
    assert 'Traceback' not in node.log


def test_network_that_fails__publishes_nothing_and_the_node_lives(start_node, peer, make_model):
    node = start_node(model=make_model(box_factor=float('nan')), **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    masks = peer.subscribe(Image, DRIVABLE)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    scene = np.full((90, 160, 3), 40, np.uint8)
    scene[20:40, 20:40] = (0, 0, 255)
    for index in range(2):
        camera.publish(image_message(stamped(index), scene))
        peer.wait_counters(received=index + 1, in_flight=0)
    peer.wait_counters(failed=2)
    assert not answers
    assert not masks
    statuses = [status for report in peer.diagnostics for status in report.status]
    levels = {s.level for s in statuses if s.message == 'active: all frames fail'}
    assert levels == {DiagnosticStatus.ERROR}
    assert "'boxes' holds values that are not finite" in node.log
    assert node.stop() == 0


def test_lost_device__the_model_is_loaded_again(start_node, peer, make_model):
    node = start_node(model=make_model(fails_on_red_corner=True), **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    red = np.full((384, 640, 3), (0, 0, 255), np.uint8)
    for index in range(FAILURES):
        camera.publish(image_message(stamped(index), red))
        peer.wait_counters(failed=index + 1, in_flight=0)
    assert 'loaded again' not in node.log
    camera.publish(small_frame(FAILURES))
    peer.wait(lambda: answers, 'an answer')
    told = 'loaded again, now onnxruntime CPUExecutionProvider fp32'
    assert node.log.count(told) == 1
    peer.wait(lambda: told in peer.status().get('note', ''), 'the loss in diagnostics')
    peer.wait_counters(received=FAILURES + 1, results=1, failed=FAILURES)
    assert node.stop() == 0


def test_overload__accounts_balance_and_results_are_the_newest(start_node, peer, slow_model):
    node = start_node(model=slow_model, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    sent = 75
    start = time.monotonic()
    for index in range(sent):
        camera.publish(small_frame(index))
        peer.spin(max(0.0, start + (index + 1) / 30 - time.monotonic()))
    counters = peer.wait_counters(received=sent, in_flight=0)
    assert counters['dropped_newer'] > 0
    assert counters['failed'] == counters['invalid'] == counters['dropped_stale'] == 0
    peer.wait(lambda: len(answers) == counters['results'], 'every result')
    seconds = [message.header.stamp.sec for message in answers]
    assert seconds == sorted(set(seconds))
    assert answers[-1].header == stamped(sent - 1)
    for index in itertools.count(sent):  # the signal comes while a frame is in work
        camera.publish(small_frame(index))
        if index == sent + 5:
            break
    assert node.stop() == 0
    assert 'Traceback' not in node.log


def test_max_age(start_node, peer, tiny_model):
    start_node(model=tiny_model, max_age_ms=60_000, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    camera.publish(small_frame())  # stamped in 2023
    peer.wait_counters(dropped_stale=1)
    fresh, unstamped = small_frame(), small_frame()
    fresh.header.stamp = peer.node.get_clock().now().to_msg()
    unstamped.header.stamp.sec = unstamped.header.stamp.nanosec = 0
    for index, message in enumerate((fresh, unstamped)):
        camera.publish(message)
        peer.wait(lambda n=index + 1: len(answers) == n, 'an answer')
    assert peer.set_parameters(max_age_ms=0)[0].successful
    camera.publish(small_frame())
    peer.wait(lambda: len(answers) == 3, 'an answer')
    peer.wait_counters(received=4, results=3, dropped_stale=1)


def test_images_without_results__are_an_error_after_a_while(start_node, peer, tiny_model):
    start_node(model=tiny_model, max_age_ms=60_000, **RELIABLE)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    told = 's although images arrive: they are too old, see max_age_ms'

    def complained() -> bool:
        camera.publish(small_frame())  # stamped in 2023
        peer.spin(0.2)
        return peer.status().get('message', '').endswith(told)

    peer.wait(complained, 'the error')
    assert peer.change_state('deactivate')
    peer.wait(lambda: peer.status()['message'] == 'inactive', 'the end of the error')


def test_thresholds_and_resolution__hold_from_the_next_frame_on(
    start_node, peer, tiny_model, scene
):
    start_node(model=tiny_model, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    masks = peer.subscribe(Image, DRIVABLE)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')

    def answer():
        count = len(answers)
        camera.publish(image_message(stamped(count), scene))
        peer.wait(lambda: len(answers) == len(masks) == count + 1, 'an answer')
        return len(answers[-1].detections), pixels(masks[-1]).shape, pixels(masks[-1]).any()

    assert answer() == (3, (720, 1280), True)
    changed = peer.set_parameters_atomically(
        score_threshold=0.85, drivable_threshold=1.0, mask_resolution='model'
    )
    assert changed.successful
    assert answer() == (1, (360, 640), True)  # the colour of cycles is 255 in green
    assert peer.set_parameters(max_image_side=1000)[0].successful
    camera.publish(image_message(stamped(9), scene))
    peer.wait_counters(invalid__too_large=1)


def test_clock_jump__drops_the_frames_from_before(start_node, peer, tiny_model):
    node = start_node(model=tiny_model, use_sim_time=True, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    clock = peer.publisher(Clock, '/clock')
    peer.wait_active()
    peer.wait(lambda: camera.get_subscription_count() and clock.get_subscription_count(), 'it')

    def tick(second):
        message = Clock()
        message.clock.sec = second
        clock.publish(message)

    def sees(second):
        return any(message.header.stamp.sec == second for message in peer.diagnostics)

    tick(1000)
    peer.wait(lambda: sees(1000), 'a report at 1000 s')
    jumps = node.log.count('the clock jumped')
    tick(500)
    peer.wait(lambda: sees(500), 'a report at 500 s')
    assert node.log.count('the clock jumped') == jumps + 1
    tick(501)
    peer.wait(lambda: sees(501), 'a report at 501 s')
    assert node.log.count('the clock jumped') == jumps + 1
    camera.publish(small_frame())
    peer.wait(lambda: answers, 'an answer after the jump')


def test_set_enabled_and_reset(start_node, peer, tiny_model):
    start_node(model=tiny_model, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    service = '/panoptic_perception/set_enabled'
    assert peer.call(SetBool, service, SetBool.Request(data=False)).message == 'disabled'
    camera.publish(small_frame(1))
    peer.wait(lambda: peer.status().get('message', '').startswith('disabled'), 'the state')
    assert peer.call(SetBool, service, SetBool.Request(data=True)).success
    camera.publish(small_frame(2))
    peer.wait(lambda: answers, 'an answer')
    assert [message.header for message in answers] == [stamped(2)]
    peer.wait_counters(received=1, results=1)
    assert peer.call(Trigger, '/panoptic_perception/reset', Trigger.Request()).success
    peer.wait_counters(received=0, results=0)


def test_lifecycle__broken_model_then_fixed(start_node, peer, tiny_model, tmp_path):
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(tiny_model.read_bytes()[:1000])
    node = start_node(model=broken)
    peer.wait(lambda: 'cannot configure' in node.log, 'the refusal')
    assert peer.state() == 'unconfigured'
    assert str(broken) in node.log
    assert node.log.count('[ERROR]') == 1
    peer.wait(lambda: 'cannot configure' in peer.status().get('message', ''), 'the diagnostics')
    assert not peer.change_state('configure')
    assert peer.state() == 'unconfigured'
    assert peer.set_parameters(model=str(tiny_model))[0].successful
    assert peer.change_state('configure', 'activate')
    assert peer.state() == 'active'
    peer.wait(lambda: peer.status().get('model') == 'tiny.onnx', 'the model in diagnostics')
    for name, value in vars(load_engine(tiny_model).info).items():
        assert peer.status()[name] == str(value)
    assert 'Traceback' not in node.log
    assert node.stop() == 0


@pytest.mark.skipif(bool(gpu_name()), reason='this machine has an NVIDIA GPU')
def test_lifecycle__warns_of_what_runs_instead(start_node, peer, tiny_model):
    node = start_node(model=tiny_model, device='cuda', provider_policy='fallback')
    peer.wait_active()
    peer.wait(lambda: peer.status().get('note'), 'the note in diagnostics')
    assert 'on cpu in fp32 instead of engine auto, device cuda' in peer.status()['note']
    assert peer.status()['note'] in node.log
    assert node.log.count('[WARN]') == 1
    assert node.stop() == 0


def test_lifecycle__failed_activation_tells_why(start_node, peer, tiny_model):
    # The node publishes there itself, and DDS refuses a second type for a topic in one process.
    node = start_node('-r', 'image:=/diagnostics', model=tiny_model)
    peer.wait(lambda: 'cannot activate: ' in peer.status().get('message', ''), 'the reason')
    assert peer.status()['message'] in node.log
    assert 'then configure and activate the node' in node.log
    assert peer.state() == 'unconfigured'
    assert not peer.change_state('configure', 'activate')
    assert node.stop() == 0


def test_lifecycle__model_of_a_fixed_batch(start_node, peer, make_model):
    node = start_node(model=make_model(batch=2))
    sentence = 'runs 2 images at a time; expected 1 or any number'
    peer.wait(lambda: sentence in peer.status().get('message', ''), 'the reason')
    assert 'cannot configure: model file ' in node.log
    assert peer.state() == 'unconfigured'


def test_lifecycle__many_rounds(start_node, peer, tiny_model):
    node = start_node(model=tiny_model, autostart=False, **RELIABLE)
    answers = peer.subscribe(Detection2DArray, DETECTIONS)
    camera = peer.publisher(Image, '/image')
    assert peer.state() == 'unconfigured'
    assert peer.change_state('configure')
    for index in range(10):
        assert peer.change_state('activate')
        peer.wait(camera.get_subscription_count, 'the subscription')
        camera.publish(small_frame(index))
        peer.wait(lambda n=index: answers and answers[-1].header == stamped(n), 'an answer')
        reports = len(peer.diagnostics)
        assert peer.change_state('deactivate')
        peer.wait(lambda n=reports: len(peer.diagnostics) > n, 'the report at deactivation')
        peer.wait(lambda: not camera.get_subscription_count(), 'the end of the subscription')
        camera.publish(small_frame(100 + index))
    assert peer.change_state('cleanup', 'configure', 'activate')
    assert peer.wait_counters(received=10, results=10)
    assert peer.change_state('deactivate', 'cleanup', 'unconfigured_shutdown')
    peer.wait(lambda: peer.status()['message'] == 'finalized', 'the last state')
    assert node.stop() == 0
    assert 'Traceback' not in node.log


@pytest.mark.parametrize(
    ('parameters', 'reliability', 'cure'),
    [
        ({}, None, 'nothing publishes /image: start the camera or remap the topic image'),
        ({'image_reliability': 'reliable'}, 'best_effort', 'set image_reliability: best_effort'),
        ({'image_transport': 'compressed'}, 'reliable', 'set image_transport: raw'),
        ({}, 'reliable', 'set image_reliability: reliable'),
    ],
)
def test_silent_input__one_warning_names_the_cure(
    start_node, peer, tiny_model, parameters, reliability, cure
):
    if reliability:
        policy = getattr(ReliabilityPolicy, reliability.upper())
        peer.publisher(Image, '/image', QoSProfile(depth=1, reliability=policy))
    node = start_node(model=tiny_model, input_timeout_s=1.0, **parameters)
    peer.wait(lambda: cure in node.log, 'the warning')
    peer.wait(lambda: cure in peer.status('input').get('message', ''), 'the diagnostics')
    reports = len(peer.diagnostics)
    peer.wait(lambda: len(peer.diagnostics) >= reports + 2, 'more reports')
    assert node.log.count(cure) == 1
    assert node.stop() == 0


def test_namespace_and_remapping(start_node, peer, tiny_model):
    node = start_node(
        *('-r', '__ns:=/front', '-r', 'image:=/camera/image_raw'),
        model=tiny_model,
        image_transport='compressed',
    )
    peer.name = '/front/panoptic_perception'
    answers = peer.subscribe(Detection2DArray, '/front/panoptic_perception/detections')
    camera = peer.publisher(CompressedImage, '/camera/image_raw/compressed')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    camera.publish(CompressedImage(header=stamped(3), data=JPEG))
    peer.wait(lambda: answers, 'an answer')
    assert answers[0].header == stamped(3)
    peer.wait(lambda: peer.diagnostics, 'diagnostics')
    names = {status.name for message in peer.diagnostics for status in message.status}
    assert names == {f'front/panoptic_perception: {part}' for part in ('runtime', 'input')}
    assert node.stop() == 0


def test_remapping_of_a_transport__is_told_as_it_is(start_node, peer, tiny_model):
    start_node('-r', 'image/compressed:=/jpeg', model=tiny_model, image_transport='compressed')
    camera = peer.publisher(CompressedImage, '/jpeg')
    peer.wait_active()
    peer.wait(camera.get_subscription_count, 'the subscription')
    peer.wait(lambda: peer.status('input').get('publishers') == '1', 'the publisher')
    assert peer.status('input')['topic'] == '/jpeg'
    assert peer.status('input')['message'] == 'no image yet'
