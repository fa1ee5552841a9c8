# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from model_tools.data.synthetic.export import (
    ExportError,
    FrameSource,
    Settings,
    write_folder,
    write_sheet,
    write_video,
)

SMALL = Settings(frames=5, seed=2, size_wh=(160, 90))


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'frames': 0}, 'at least one frame'),
        ({'frames': 1, 'fps': 0.0}, 'fps is above 0'),
        ({'frames': 1, 'fps': float('nan')}, 'fps is above 0'),
        ({'frames': 1, 'seed': -1}, 'seed is 0 or more'),
        ({'frames': 1, 'size_wh': (10, 10)}, 'found 10x10'),
        ({'frames': 1, 'scenario': 'snow'}, "unknown scenario word 'snow'"),
    ],
)
def test_settings__refuses(fields, words):
    with pytest.raises(ValueError, match=words):
        Settings(**fields)


def test_frame_source__mixed_changes_the_drive_and_others_do_not():
    mixed = FrameSource(Settings(frames=9, size_wh=(64, 64)))
    assert len({mixed.frame(index)[0].camera.focal for index in (0, 3, 4, 8)}) == 3
    one = FrameSource(Settings(frames=9, size_wh=(64, 64), scenario='city'))
    assert len({one.frame(index)[0].camera.focal for index in (0, 3, 4, 8)}) == 1
    assert one.frame(3)[0].t == pytest.approx(0.3)


def test_frame_source__refuses_more_than_the_road_holds():
    with pytest.raises(ExportError, match='take fewer frames'):
        FrameSource(Settings(frames=100_000, size_wh=(64, 64), scenario='city'))


def test_write_folder__is_complete_readable_and_the_same_again(tmp_path):
    assert write_folder(SMALL, tmp_path) == 5
    for folder in (
        'images',
        'det_annotations',
        'da_seg_annotations',
        'll_seg_annotations',
        'cameras',
    ):
        assert len(list((tmp_path / folder / 'train').iterdir())) == 5
    name = 'mixed_0002_000003'
    frame, _ = FrameSource(SMALL).frame(3)
    picture = cv2.imread(str(tmp_path / f'images/train/{name}.jpg'))
    assert np.abs(picture.astype(int) - frame.image).mean() < 6
    for folder, mask in (
        ('da_seg_annotations', frame.drivable),
        ('ll_seg_annotations', frame.lane),
    ):
        stored = cv2.imread(str(tmp_path / f'{folder}/train/{name}.png'), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(stored, mask)
    labels = json.loads((tmp_path / f'det_annotations/train/{name}.json').read_text())
    assert labels['name'] == f'{name}.jpg'
    assert labels['attributes']['source'] == 'synthetic'
    objects = labels['frames'][0]['objects']
    assert [(o['category'], tuple(o['box2d'].values())) for o in objects] == [
        (box.category, box.xyxy) for box in frame.boxes
    ]
    camera = json.loads((tmp_path / f'cameras/train/{name}.json').read_text())
    assert camera == {'t': frame.t, **frame.camera.as_dict()}


def test_write_folder__resumes_what_is_missing_only(tmp_path):
    write_folder(SMALL, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    assert write_folder(SMALL, tmp_path) == 0
    for number in (1, 4):
        (tmp_path / f'cameras/train/mixed_0002_00000{number}.json').unlink()
        (tmp_path / f'images/train/mixed_0002_00000{number}.jpg').write_bytes(b'half')
    assert write_folder(SMALL, tmp_path) == 2
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_write_folder__refuses_a_folder_of_other_settings(tmp_path):
    write_folder(Settings(frames=1, size_wh=(64, 64)), tmp_path)
    with pytest.raises(ExportError, match='of other settings'):
        write_folder(Settings(frames=1, size_wh=(64, 64), seed=1), tmp_path)
    assert write_folder(Settings(frames=1, size_wh=(64, 64), seed=1), tmp_path, split='val') == 1


def test_write_folder__refuses_a_file(tmp_path):
    (tmp_path / 'taken').write_text('')
    with pytest.raises(ExportError, match='is a file'):
        write_folder(SMALL, tmp_path / 'taken')


def test_write_video__has_all_frames_at_its_pace(tmp_path):
    settings = Settings(frames=6, fps=12.0, size_wh=(160, 96), scenario='motorway-day')
    write_video(settings, tmp_path / 'new' / 'drive.mp4')
    video = cv2.VideoCapture(str(tmp_path / 'new' / 'drive.mp4'))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(12.0)
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1])
    assert [picture.shape for picture in pictures] == [(96, 160, 3)] * 6
    expected = FrameSource(settings).frame(5)[0].image
    assert np.abs(pictures[5].astype(int) - expected).mean() < 12


def test_write_sheet__places_frames_in_columns(tmp_path):
    settings = Settings(frames=4, size_wh=(64, 64))
    write_sheet(settings, tmp_path / 'sheet.png')
    assert cv2.imread(str(tmp_path / 'sheet.png')).shape == (2 * 64 + 12, 3 * 64 + 16, 3)


@pytest.mark.parametrize('error', [KeyboardInterrupt, RuntimeError])
def test_write_video__an_exception_leaves_nothing(tmp_path, error):
    def failing(indices):
        yield indices[0]
        raise error

    settings = Settings(frames=3, size_wh=(64, 64), scenario='city')
    with pytest.raises(error):
        write_video(settings, tmp_path / 'drive.mp4', progress=failing)
    assert list(tmp_path.iterdir()) == []
