# SPDX-License-Identifier: Apache-2.0
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from panoptic_perception.bags.reader import BagReader
from panoptic_perception.bags.writer import BagWriter
from panoptic_perception.ros.qos import LATCHED
from panoptic_perception.ros.recorder import Recorder, type_name


def test_recorder__keeps_the_bytes_and_the_latched_message(peer, tmp_path):
    path = tmp_path / 'recording.mcap'
    names = peer.publisher(String, '/name', LATCHED)
    names.publish(String(data='published before the recorder came'))
    numbers = peer.publisher(String, '/numbers')
    heard = []
    with BagWriter(path) as writer:
        recorder = Recorder(
            peer.node,
            {'/name': String, '/numbers': String, '/nothing': Detection2DArray},
            writer,
            latched=['/name'],
            on_message=lambda topic, data: heard.append((topic, data)),
        )
        peer.wait(lambda: recorder.counts['/name'], 'the latched message')
        peer.wait(numbers.get_subscription_count, 'the subscription')
        for index in range(5):
            numbers.publish(String(data=str(index)))
            peer.wait(lambda n=index + 1: recorder.counts['/numbers'] == n, 'the message')
    assert recorder.counts == {'/name': 1, '/numbers': 5}
    with BagReader(path) as reader:
        assert {t.name: (t.msgtype, t.latched) for t in reader.topics.values()} == {
            '/name': ('std_msgs/msg/String', True),
            '/nothing': ('vision_msgs/msg/Detection2DArray', False),
            '/numbers': ('std_msgs/msg/String', False),
        }
        recorded = [(message.topic, message.data) for message in reader.messages()]
    assert recorded == heard
    texts = [deserialize_message(data, String).data for topic, data in recorded[1:]]
    assert texts == [str(index) for index in range(5)]
    assert recorded[1][1] == serialize_message(String(data='0'))


def test_type_name():
    assert type_name(Detection2DArray) == 'vision_msgs/msg/Detection2DArray'
