# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest

from panoptic_perception.core.video import VideoFile


def read(path):
    capture = cv2.VideoCapture(str(path))
    rate, frames = capture.get(cv2.CAP_PROP_FPS), []
    while (step := capture.read())[0]:
        frames.append(step[1])
    return rate, frames


def grey(level, shape=(48, 64)):
    return np.full((*shape, 3), level, np.uint8)


def test_video_file__frames_and_rate(tmp_path):
    with VideoFile(tmp_path / 'a.mp4', 12.5) as video:
        for level in (20, 120, 220):
            video.write(grey(level))
        assert not (tmp_path / 'a.mp4').exists()
    rate, frames = read(tmp_path / 'a.mp4')
    assert rate == pytest.approx(12.5)
    assert [round(frame.mean()) for frame in frames] == pytest.approx([20, 120, 220], abs=4)
    assert list(tmp_path.iterdir()) == [tmp_path / 'a.mp4']


def test_video_file__another_size_is_scaled_to_the_first(tmp_path):
    with VideoFile(tmp_path / 'a.mp4', 10) as video:
        video.write(grey(100))
        video.write(grey(100, (96, 100)))
    assert [frame.shape for frame in read(tmp_path / 'a.mp4')[1]] == [(48, 64, 3)] * 2


def test_video_file__without_frames_there_is_no_file(tmp_path):
    with VideoFile(tmp_path / 'a.mp4', 10):
        pass
    assert list(tmp_path.iterdir()) == []


def test_video_file__an_exception_leaves_nothing(tmp_path):
    def write_and_fail():
        with VideoFile(tmp_path / 'a.mp4', 10) as video:
            video.write(grey(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []
