# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from panoptic_perception.bags.frames import InputError, open_frames
from panoptic_perception.bags.reader import BagError
from panoptic_perception.core.codec import ImageError

GREY = np.full((32, 48, 3), 128, np.uint8)


def save_image(path, image=GREY):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return path


def save_video(path, levels, rate=10.0):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, (64, 48))
    for level in levels:
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    return path


def test_open_frames__one_image(tmp_path):
    source = open_frames(save_image(tmp_path / 'a.b.png'))
    assert source.names == ('a.b',)
    (frame,) = source
    assert (frame.name, frame.stamp_ns) == ('a.b', 0)
    np.testing.assert_array_equal(frame.decode(), GREY)


def test_open_frames__folder_with_subfolders(tmp_path):
    for name in ('b.png', 'a.jpg', 'sub/a.jpeg', '.hidden.jpg', 'notes.txt'):
        if name.endswith('.txt'):
            (tmp_path / name).write_text('hello')
        else:
            save_image(tmp_path / name)
    source = open_frames(tmp_path)
    assert source.names == ('a', 'b', 'sub/a')
    assert [frame.stamp_ns for frame in source] == [0, 500_000_000, 1_000_000_000]
    assert [frame.decode().shape for frame in source] == [(32, 48, 3)] * 3


def test_open_frames__video(tmp_path):
    levels = [20, 90, 160, 230]
    source = open_frames(save_video(tmp_path / 'clip.mp4', levels))
    assert source.names == tuple(f'clip_{n:06d}' for n in (1, 2, 3, 4))
    assert source.frames_per_second == pytest.approx(10)
    frames = [(f.name, f.stamp_ns, round(f.decode().mean())) for f in source]
    assert [name for name, _, _ in frames] == list(source.names)
    assert [stamp for _, stamp, _ in frames] == [0, 100_000_000, 200_000_000, 300_000_000]
    assert [level for _, _, level in frames] == pytest.approx(levels, abs=6)
    assert len(list(source)) == 4, 'a source can be walked through again'


def test_open_frames__a_duration_that_is_that_of_the_sound(tmp_path):
    path = save_video(tmp_path / 'clip.mkv', [20, 90, 160, 230])
    content = bytearray(path.read_bytes())
    at = content.index(b'\x44\x89\x88') + 3  # the element Duration, a double, ms
    (milliseconds,) = struct.unpack_from('>d', content, at)
    struct.pack_into('>d', content, at, 3 * milliseconds)
    path.write_bytes(content)
    source = open_frames(path)
    assert len(source.names) == 12
    assert len(list(source)) == 4


def test_open_frames__bag(make_bag):
    source = open_frames(make_bag([GREY, GREY], name='drive.mcap', compressed=True))
    assert source.names == ('drive_000001', 'drive_000002')
    assert source.frames_per_second == pytest.approx(10)
    frames = list(source)
    assert frames[1].stamp_ns - frames[0].stamp_ns == 100_000_000
    np.testing.assert_array_equal(frames[0].decode(), GREY)


@pytest.mark.parametrize(
    ('name', 'content', 'sentence'),
    [
        ('missing', None, 'does not exist'),
        ('missing.mp4', None, 'does not exist'),
        ('empty', 'folder', r'holds no image \(\.jpg'),
        ('notes.txt', b'hello', 'neither an image .* nor a bag'),
        ('empty.mp4', b'', 'cannot be read as a video'),
        ('text.mp4', b'hello' * 1000, 'cannot be read as a video'),
    ],
)
def test_open_frames__refuses(tmp_path, name, content, sentence):
    path = tmp_path / name
    if content == 'folder':
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as error:
        open_frames(path)
    assert str(path) in str(error.value)


def test_open_frames__video_cut_off(tmp_path):
    path = save_video(tmp_path / 'cut.mp4', [0] * 20)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match='damaged or still being written'):
        open_frames(path)


def test_open_frames__bag_without_frames(make_bag):
    with pytest.raises(BagError, match='has no message on /camera/image'):
        open_frames(make_bag([]))


@pytest.mark.parametrize('content', [b'', b'hello', b'\xff\xd8\xff\xe0' + bytes(100)])
def test_frame__a_broken_image_raises_when_decoded(tmp_path, content):
    (tmp_path / 'a.jpg').write_bytes(content)
    save_image(tmp_path / 'b.jpg')
    broken, good = open_frames(tmp_path)
    with pytest.raises(ImageError):
        broken.decode()
    assert good.decode().shape == (32, 48, 3)
