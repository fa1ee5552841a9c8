# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from panoptic_perception.bags import messages
from panoptic_perception.bags.reader import BagReader
from panoptic_perception.bags.types import IMAGE, LABEL_INFO, serialize
from panoptic_perception.bags.writer import BagWriter

LABELS = serialize(messages.label_info_message(['vehicle'], 0.3), LABEL_INFO)


def write(path, count):
    with BagWriter(path) as writer:
        writer.add_topic('/labels', LABEL_INFO, latched=True)
        writer.add_topic('/image', IMAGE)
        for index in range(count):
            writer.write('/labels', LABELS, 1000 + index)


@pytest.mark.parametrize('count', [0, 1, 5])
def test_write__equal_bytes_whatever_the_name(tmp_path, count):
    write(tmp_path / 'a.mcap', count)
    write(tmp_path / 'sub' / 'b.mcap', count)
    assert (tmp_path / 'a.mcap').read_bytes() == (tmp_path / 'sub' / 'b.mcap').read_bytes()


def test_write__read_back(tmp_path):
    write(tmp_path / 'a.mcap', 2)
    with BagReader(tmp_path / 'a.mcap') as bag:
        assert [(t.name, t.msgtype, t.count, t.latched) for t in bag.topics.values()] == [
            ('/image', IMAGE, 0, False),
            ('/labels', LABEL_INFO, 2, True),
        ]
        assert (bag.start_ns, bag.end_ns) == (1000, 1001)
        assert [(m.topic, m.receive_ns, m.data) for m in bag.messages()] == [
            ('/labels', 1000, bytes(LABELS)),
            ('/labels', 1001, bytes(LABELS)),
        ]


@pytest.mark.parametrize('error', [KeyboardInterrupt, ValueError])
def test_write__nothing_is_left_after_an_exception(tmp_path, error):
    def write_and_fail():
        with BagWriter(tmp_path / 'a.mcap') as writer:
            writer.add_topic('/labels', LABEL_INFO)
            writer.write('/labels', LABELS, 1)
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_write__an_older_file_stays_until_the_new_one_is_whole(tmp_path):
    write(tmp_path / 'a.mcap', 1)
    before = (tmp_path / 'a.mcap').read_bytes()
    with pytest.raises(ValueError, match='stop'), BagWriter(tmp_path / 'a.mcap'):
        raise ValueError('stop')
    assert (tmp_path / 'a.mcap').read_bytes() == before
    write(tmp_path / 'a.mcap', 5)
    assert (tmp_path / 'a.mcap').read_bytes() != before
