# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer

from panoptic_perception.bags import messages
from panoptic_perception.bags.reader import BagError, BagReader, is_bag
from panoptic_perception.bags.types import IMAGE, serialize, typestore
from panoptic_perception.core.codec import ImageError

START_NS = 1_700_000_000_000_000_000


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8)


def write_folder(path, plugin, *, count=20, topics=('/camera/image',)):
    """Write a bag folder as rosbag2 does."""
    with Writer(path, version=9, storage_plugin=plugin) as writer:
        connections = [writer.add_connection(t, IMAGE, typestore=typestore()) for t in topics]
        for index in range(count):
            for connection in connections:
                head = messages.header(START_NS + index, 'camera')
                data = serialize(messages.image_message(head, noise(index)), IMAGE)
                writer.write(connection, START_NS + index + 5, data)
    return path


def read_all(path, topic='/camera/image'):
    """Return the frames that can be read, and the sentence on the damage."""
    frames = []
    try:
        with BagReader(path) as bag:
            for frame in bag.image_frames(topic):
                frames.append(frame)
    except BagError as error:
        return frames, str(error)
    return frames, ''


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize('by', ['folder', 'file', 'folder without metadata'])
def test_read__every_form_of_a_bag(tmp_path, plugin, by):
    path = write_folder(tmp_path / 'bag', plugin)
    if by == 'folder without metadata':
        (path / 'metadata.yaml').unlink()
    if by == 'file':
        path = next(p for p in path.iterdir() if p.suffix in ('.mcap', '.db3'))
    assert is_bag(path)
    frames, damage = read_all(path)
    assert damage == ''
    assert [(f.stamp_ns, f.receive_ns, f.frame_id) for f in frames] == [
        (START_NS + index, START_NS + index + 5, 'camera') for index in range(20)
    ]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.decode(), noise(index))


def test_read__parts_of_a_split_bag_in_order_of_time(tmp_path, make_bag):
    folder = tmp_path / 'split'
    folder.mkdir()
    names = ['part_10.mcap', 'part_9.mcap']
    for name in names:
        make_bag([noise(0), noise(1)], name=f'split/{name}')
    frames, _ = read_all(folder)
    assert len(frames) == 4
    assert [f.receive_ns for f in frames] == sorted(f.receive_ns for f in frames)


@pytest.mark.parametrize(
    ('name', 'content', 'sentence'),
    [
        ('missing.mcap', None, 'does not exist'),
        ('empty.mcap', b'', 'not readable'),
        ('empty.db3', b'', 'not readable'),
        ('text.mcap', b'hello' * 100, 'not readable|cut off before'),
        ('text.db3', b'hello' * 100, 'not readable'),
        ('magic.mcap', b'\x89MCAP0\r\n', 'not readable|cut off before'),
        ('old.bag', b'#ROSBAG V2.0\n', 'ROS 1 bag.*rosbags-convert'),
        ('image.jpg', b'\xff\xd8', 'no recording'),
    ],
)
def test_open__files_that_are_no_bag(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BagError, match=sentence) as error, BagReader(tmp_path / name):
        pass
    assert name in str(error.value)
    assert '\n' not in str(error.value)


def test_open__folder_without_storage(tmp_path):
    (tmp_path / 'metadata.yaml').write_text('rosbag2_bagfile_information: {}\n')
    with pytest.raises(BagError, match=r'holds no \.mcap or \.db3'), BagReader(tmp_path):
        pass


def test_is_bag__images_beside_a_recording_are_a_folder_of_images(tmp_path, make_bag):
    make_bag([noise(0)])
    assert is_bag(tmp_path)
    (tmp_path / 'a.jpg').write_bytes(b'')
    assert not is_bag(tmp_path)


def test_open__bag_without_messages(make_bag):
    with BagReader(make_bag([])) as bag:
        assert list(bag.messages()) == []
        assert bag.topics['/camera/image'].count == 0


@pytest.mark.parametrize(
    ('topics', 'wanted', 'expected'),
    [
        (('/a',), None, '/a'),
        (('/a',), '/a', '/a'),
        (('/a', '/b'), '/b', '/b'),
        (('/a', '/b'), None, 'several image topics.*--image-topic: /a, /b'),
        (('/a', '/b'), '/c', 'no image topic /c; its image topics: /a, /b'),
        ((), None, 'no image topic .*no topics at all'),
    ],
)
def test_image_topic(make_bag, topics, wanted, expected):
    with BagReader(make_bag([noise(0)], topics=topics)) as bag:
        if expected.startswith('/'):
            assert bag.image_topic(wanted) == expected
        else:
            with pytest.raises(BagError, match=expected):
                bag.image_topic(wanted)


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_read__cut_off_anywhere(tmp_path, plugin):
    """A bag cut at any place opens with its first frames and says so, or is refused."""
    whole = next(
        p
        for p in write_folder(tmp_path / 'bag', plugin, count=200).iterdir()
        if p.suffix in ('.mcap', '.db3')
    )
    data = whole.read_bytes()
    counts = []
    for percent in range(1, 100, 3):
        cut = tmp_path / f'cut{whole.suffix}'
        cut.write_bytes(data[: len(data) * percent // 100])
        frames, damage = read_all(cut)
        assert str(cut) in damage
        for index, frame in enumerate(frames):
            np.testing.assert_array_equal(frame.decode(), noise(index))
        counts.append(len(frames))
    assert counts == sorted(counts)
    assert counts[0] == 0
    if plugin is StoragePlugin.MCAP:
        # Chunks hold 1 MiB, that is 113 frames; the first is whole from the middle on.
        assert counts[-1] >= 113


def test_read__damaged_folder_falls_back_to_its_files(tmp_path):
    folder = write_folder(tmp_path / 'bag', StoragePlugin.MCAP, count=200)
    file = folder / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-100])
    frames, damage = read_all(folder)
    assert len(frames) == 200
    assert 'cut off' in damage


def test_read__damage_inside(tmp_path):
    folder = write_folder(tmp_path / 'bag', StoragePlugin.MCAP, count=200)
    data = bytearray((folder / 'bag.mcap').read_bytes())
    middle = data.index(noise(150).tobytes())
    # A record length that cannot be: everything behind it is out of reach.
    data[middle - 200 : middle] = b'\xff' * 200
    (folder / 'bag.mcap').write_bytes(data)
    frames, damage = read_all(folder)
    assert 113 <= len(frames) < 200
    assert f'after {len(frames)} messages' in damage


@pytest.mark.parametrize('data', [b'', b'\0\1\0\0', b'\0\1\0\0' + bytes(9), b'\xff' * 300])
def test_image_frames__bytes_that_are_no_message(make_bag, data):
    frames, damage = read_all(make_bag([noise(0), data, noise(2)]))
    assert damage == ''
    assert len(frames) == 3
    assert frames[1].stamp_ns == frames[1].receive_ns
    with pytest.raises(ImageError) as error:
        frames[1].decode()
    assert error.value.reason == 'bad_message'
    np.testing.assert_array_equal(frames[2].decode(), noise(2))
