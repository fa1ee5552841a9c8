# SPDX-License-Identifier: Apache-2.0
"""Write synthetic drives as a data set folder, a video or a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from model_tools.data.label_picture import draw_labels, sheet_of
from model_tools.data.label_set import DEFAULT
from model_tools.data.sample import Sample
from panoptic_perception.core.files import write_json, write_whole
from panoptic_perception.core.video import VideoFile

from .drive import SIDE_PX, Drive, Frame
from .scenario import Scenario, parse_scenario

_FRAMES_PER_DRIVE, _STEP_S = 4, 2.6
_JPEG_QUALITY = 92
_FOLDERS = {
    'images': '.jpg',
    'det_annotations': '.json',
    'da_seg_annotations': '.png',
    'll_seg_annotations': '.png',
    'cameras': '.json',
}
_SCENES = {'city': 'city street', 'suburb': 'residential', 'rural': 'rural', 'motorway': 'highway'}
_LIGHTS = {'day': 'daytime', 'dusk': 'dawn/dusk', 'night': 'night'}
_WEATHERS = {'clear': 'clear', 'rain': 'rainy', 'fog': 'foggy', 'glare': 'clear'}

Progress = Callable[[Iterable[int]], Iterable[int]]


class ExportError(ValueError):
    """The output cannot be written as asked."""


@dataclass(frozen=True)
class Settings:
    """What to render: `frames` pictures of `scenario`, the first drive from `seed`."""

    frames: int
    seed: int = 0
    fps: float = 10.0
    size_wh: tuple[int, int] = (640, 360)
    scenario: str = 'mixed'

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ExportError(f'at least one frame is needed, found {self.frames}')
        if not 0 < self.fps <= 240:
            raise ExportError(f'fps is above 0 and at most 240, found {self.fps:g}')
        if self.seed < 0:
            raise ExportError(f'seed is 0 or more, found {self.seed}')
        if min(self.size_wh) < SIDE_PX[0] or max(self.size_wh) > SIDE_PX[1]:
            width, height = self.size_wh
            raise ExportError(
                f'a picture has {SIDE_PX[0]} to {SIDE_PX[1]} pixels a side, found {width}x{height}'
            )
        parse_scenario(self.scenario)

    def drive(self, number: int = 0) -> Drive:
        """Build the drive of this number; each has its own seed and, if mixed, scenario."""
        seed = self.seed * 1_000_003 + number
        rng = np.random.default_rng((seed, 1))
        scenario = Scenario.draw(rng, **parse_scenario(self.scenario))
        return Drive(seed, size_wh=self.size_wh, scenario=scenario)


class FrameSource:
    """
    Random access to the frames of some settings.

    A mixed set takes a few frames from each of many drives; otherwise the frames are one drive.
    """

    def __init__(self, settings: Settings, *, one_drive: bool = False) -> None:
        self._settings = settings
        self._one_drive = one_drive or settings.scenario != 'mixed'
        self._number, self._drive = 0, settings.drive(0)
        asked = (settings.frames - 1) / settings.fps
        if self._one_drive and asked > self._drive.seconds:
            raise ExportError(
                f'this drive lasts {self._drive.seconds:.0f} s, found {asked:.0f} s asked for: '
                'take fewer frames or another --seed'
            )

    def frame(self, index: int) -> tuple[Frame, Scenario]:
        """Render frame `index` and say under which conditions."""
        if self._one_drive:
            return self._drive.render(index / self._settings.fps), self._drive.scenario
        number, step = divmod(index, _FRAMES_PER_DRIVE)
        if number != self._number:
            self._number, self._drive = number, self._settings.drive(number)
        return self._drive.render(1.0 + _STEP_S * step), self._drive.scenario


def write_folder(
    settings: Settings, out: Path, *, split: str = 'train', progress: Progress = iter
) -> int:
    """
    Write pictures and labels in the YOLOP layout; return how many frames were rendered.

    Frames that an earlier run with the same settings finished are kept.
    """
    _claim_folder(settings, out, split)
    source: FrameSource | None = None
    made = 0
    for index in progress(range(settings.frames)):
        name = f'{settings.scenario}_{settings.seed:04d}_{index:06d}'
        paths = {folder: out / folder / split / (name + end) for folder, end in _FOLDERS.items()}
        if paths['cameras'].exists():
            continue
        source = source or FrameSource(settings)
        frame, scenario = source.frame(index)
        _write(paths['images'], frame.image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        _write(paths['da_seg_annotations'], frame.drivable)
        _write(paths['ll_seg_annotations'], frame.lane)
        labels = json.dumps(annotation(frame, scenario, name))
        write_whole(paths['det_annotations'], labels.encode())
        # The camera file comes last: it marks the frame as complete.
        write_json(paths['cameras'], {'t': frame.t, **frame.camera.as_dict()})
        made += 1
    return made


def _claim_folder(settings: Settings, out: Path, split: str) -> None:
    """Make the folders, or refuse a folder that other settings have filled."""
    if out.is_file():
        raise ExportError(f"'{out}' is a file: give a folder, or a name that ends in .mp4")
    for folder in _FOLDERS:
        (out / folder / split).mkdir(parents=True, exist_ok=True)
    record = out / f'settings.{split}.json'
    wanted = json.loads(json.dumps(asdict(settings)))
    wanted.pop('frames')
    if record.exists() and json.loads(record.read_text()) != wanted:
        raise ExportError(
            f"'{out}' holds a {split} split of other settings: choose another --out or remove it"
        )
    write_json(record, wanted)


def _write(path: Path, image: np.ndarray, options: list[int] | None = None) -> None:
    if not cv2.imwrite(str(path), image, options or []):
        raise ExportError(f"could not write '{path}': is the disk full or read-only?")


def annotation(frame: Frame, scenario: Scenario, name: str) -> dict[str, Any]:
    """Return the labels of a frame in the BDD100K 2018 form."""
    objects = [
        {
            'category': box.category,
            'id': number,
            'attributes': {
                'occluded': box.occlusion > 0.1,
                'truncated': box.truncated,
                'occlusion': box.occlusion,
            },
            'box2d': dict(zip(('x1', 'y1', 'x2', 'y2'), box.xyxy, strict=True)),
        }
        for number, box in enumerate(frame.boxes)
    ]
    return {
        'name': f'{name}.jpg',
        'attributes': {
            'source': 'synthetic',
            'scene': _SCENES[scenario.place],
            'timeofday': _LIGHTS[scenario.light],
            'weather': _WEATHERS[scenario.weather],
        },
        'frames': [{'timestamp': round(frame.t * 1000), 'objects': objects}],
    }


def write_video(settings: Settings, out: Path, *, progress: Progress = iter) -> None:
    """Write one continuous drive as an MP4 file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    source = FrameSource(settings, one_drive=True)
    with VideoFile(out, settings.fps) as video:
        for index in progress(range(settings.frames)):
            video.write(source.frame(index)[0].image)


def write_sheet(settings: Settings, out: Path, *, progress: Progress = iter) -> None:
    """Write pictures with their labels drawn over them, three side by side."""
    source = FrameSource(settings)
    frames = (source.frame(index)[0] for index in progress(range(settings.frames)))
    tiles = [draw_labels(labelled(frame), settings.size_wh[0]) for frame in frames]
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, sheet_of(tiles, 3))


def labelled(frame: Frame) -> Sample:
    """Return the frame as a sample of the default label set."""
    labels = [DEFAULT.names.index(DEFAULT.categories[box.category]) for box in frame.boxes]
    return Sample(
        name='',
        image=frame.image,
        attributes={},
        boxes=np.array([box.xyxy for box in frame.boxes], np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        crowd=np.zeros(len(labels), bool),
        boxes_complete=True,
        drivable=frame.drivable,
        drivable_direct=None,
        lane=frame.lane,
    )
