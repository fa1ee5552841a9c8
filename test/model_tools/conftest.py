# SPDX-License-Identifier: Apache-2.0
"""Data sets for tests: toy roads for training, and miniatures of every form that is read."""

import json
import tarfile
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import pytest
import torch

from model_tools.data.lane_drawing import draw_lines
from model_tools.data.synthetic import Drive, Scenario
from model_tools.data.synthetic.export import annotation
from model_tools.networks.config import NetworkConfig

# Small networks gain nothing from threads, and lose much where another process is busy.
torch.set_num_threads(1)


@pytest.fixture(scope='session')
def small_network():
    return NetworkConfig(
        backbone_widths=(8, 8, 16, 16, 32),
        backbone_depths=(1, 1, 1, 1),
        detection_width=16,
        segmentation_width=16,
    )


@pytest.fixture(scope='session')
def road_folder(tmp_path_factory):
    """Write 160x96 images in the YOLOP layout: a bright road, a lane and a red box in each."""
    root = tmp_path_factory.mktemp('roads')
    for split, count in (('train', 8), ('val', 2)):
        for i in range(count):
            write_road(root, split, f'road_{i}', column=20 + 8 * i)
    return root


def write_road(root, split, name, *, column):
    """Write one 160x96 image with every label."""
    image = np.full((96, 160, 3), 60, np.uint8)
    drivable = np.zeros((96, 160), np.uint8)
    drivable[48:] = 255
    lane = np.zeros((96, 160), np.uint8)
    lane[48:, 78:82] = 255
    image[drivable > 0] = 120
    image[lane > 0] = 255
    image[30:60, column : column + 24] = (0, 0, 255)
    record = {
        'name': f'{name}.jpg',
        'attributes': {'source': 'toy', 'group': name, 'box_label': 'real'},
        'frames': [
            {
                'timestamp': 0,
                'objects': [
                    {
                        'category': 'car',
                        'id': 0,
                        'attributes': {'crowd': False},
                        'box2d': {'x1': column, 'y1': 30, 'x2': column + 24, 'y2': 60},
                    }
                ],
            }
        ],
    }
    files = {
        ('images', 'jpg'): cv2.imencode('.jpg', image)[1].tobytes(),
        ('da_seg_annotations', 'png'): cv2.imencode('.png', drivable)[1].tobytes(),
        ('ll_seg_annotations', 'png'): cv2.imencode('.png', lane)[1].tobytes(),
        ('det_annotations', 'json'): json.dumps(record).encode(),
    }
    for (folder, suffix), content in files.items():
        path = root / folder / split / f'{name}.{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# Miniature data sets: some frames of one synthetic drive, in every form that is read.
WH = (1280, 720)
SPLITS = {'train': (1.0, 4.0), 'val': (7.0, 10.0), 'test': (13.0,)}  # s of the drive
ALTERNATIVE_FROM = 800  # columns from here on are an alternative lane
NAMES_2020 = {'person': 'pedestrian', 'bike': 'bicycle', 'motor': 'motorcycle'}


@dataclass(frozen=True)
class Truth:
    """What the labels of a frame say, whatever their form."""

    name: str
    jpg: bytes
    record: dict
    """Boxes and attributes in the form of 2018."""
    direct: np.ndarray
    alternative: np.ndarray
    lane: np.ndarray
    """Centre lines, 2 px wide."""
    edges: list
    """Both edges of each painted line, (K, 2) pixels."""


@dataclass(frozen=True)
class Miniatures:
    """The truth by split, and the folder of each form; split test has images alone."""

    truth: dict
    roots: dict


@pytest.fixture(scope='session')
def miniatures(tmp_path_factory):
    """Write the frames once in each form; see `writers` for their names."""
    drive = Drive(5, size_wh=WH, scenario=Scenario('motorway', 'day', 'clear', density=0.6))
    truth = {s: [_truth(drive, f'{s}-{t:g}', t) for t in times] for s, times in SPLITS.items()}
    base = tmp_path_factory.mktemp('miniatures')
    writers = {
        '2018_files': _write_2018_files,
        '2018_list': _write_2018_list,
        '2020_masks': _write_2020_masks,
        '2020_polygons': _write_2020_polygons,
        'yolop': _write_yolop,
    }
    for form, write_labels in writers.items():
        images = 'images' if form == 'yolop' else 'images/100k'
        for split, frames in truth.items():
            write = partial(_write, base / form / ('' if form == 'yolop' else 'bdd100k'))
            for frame in frames:
                write(f'{images}/{split}/{frame.name}.jpg', frame.jpg)
            if split != 'test':
                write_labels(write, split, frames)
    _write_tars(base / 'yolop', base / 'tars')
    roots = {form: base / form for form in (*writers, 'tars')}
    return Miniatures(truth, {**roots, 'images': base / 'yolop' / 'images'})


def _truth(drive, name, t):
    frame = drive.render(t)
    direct, alternative = frame.drivable.copy(), frame.drivable.copy()
    direct[:, ALTERNATIVE_FROM:] = 0
    alternative[:, :ALTERNATIVE_FROM] = 0
    lines = list(_road_lines(drive, frame.camera, t))
    return Truth(
        name=name,
        jpg=cv2.imencode('.jpg', frame.image)[1].tobytes(),
        record=annotation(frame, drive.scenario, name),
        direct=cv2.fillPoly(np.zeros_like(direct), _contours(direct), 255),
        alternative=cv2.fillPoly(np.zeros_like(direct), _contours(alternative), 255),
        lane=draw_lines([centre for centre, *_ in lines], WH, 2.0),
        edges=[edge for _, *edges in lines for edge in edges],
    )


def _contours(mask):
    """Return the outlines of all but specks; holes are filled."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [contour for contour in contours if cv2.contourArea(contour) > 20]


def _road_lines(drive, camera, t):
    """Yield the centre and the two edges of each line near the ego lane, in pixels."""
    s = drive.start_s + drive.traffic.speed * t + np.arange(6.0, 45.0)
    for line in drive.road.layout.lines:
        if abs(line.d - drive.traffic.ego_lane.d) > 6:
            continue
        tracks = [
            camera.to_pixels(camera.to_camera(drive.road.points(s, np.full_like(s, line.d + d))))
            for d in (0.0, -line.width / 2, line.width / 2)
        ]
        seen = np.all([((p >= 0) & (p < WH)).all(axis=1) for p in tracks], axis=0)
        if seen.sum() > 2:
            yield [track[seen] + 0.5 for track in tracks]


def _write(root, path, content):
    if isinstance(content, np.ndarray):
        content = cv2.imencode('.png', content)[1].tobytes()
    elif not isinstance(content, bytes):
        content = json.dumps(content).encode()
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)


def _boxes(frame):
    return frame.record['frames'][0]['objects']


def _outlines(frame):
    """Yield whether an area is direct, and its outline (K, 2)."""
    for mask, is_direct in ((frame.direct, True), (frame.alternative, False)):
        for contour in _contours(mask):
            yield is_direct, contour[:, 0] + 0.5


def _with_bezier(edge):
    """Return vertices and types of a line whose first straight piece is written as a Bezier."""
    start, end = edge[:2]
    controls = [start + (end - start) * share for share in (1 / 3, 2 / 3)]
    return np.concatenate([[start], controls, edge[1:]]), 'LCCC' + 'L' * (len(edge) - 2)


def _write_2018_files(write, split, frames):
    def item(category, points, types, **attributes):
        poly2d = [[x, y, letter] for (x, y), letter in zip(points.tolist(), types, strict=True)]
        return {'category': category, 'attributes': attributes, 'poly2d': poly2d}

    for frame in frames:
        objects = [
            *_boxes(frame),
            *(
                item('area/drivable' if is_direct else 'area/alternative', line, 'L' * len(line))
                for is_direct, line in _outlines(frame)
            ),
            *(
                item('lane/single white', *_with_bezier(e), direction='parallel', style='solid')
                for e in frame.edges
            ),
        ]
        record = {**frame.record, 'frames': [{'timestamp': 10000, 'objects': objects}]}
        write(f'labels/100k/{split}/{frame.name}.json', record)


def _item_2020(category, points, types, *, closed, **attributes):
    poly2d = [{'vertices': points.tolist(), 'types': types, 'closed': closed}]
    return {'category': category, 'attributes': attributes, 'poly2d': poly2d}


def _areas(frame):
    """Return areas as in the list of 2018."""
    return [
        _item_2020(
            'drivable area',
            line,
            'L' * len(line),
            closed=True,
            areaType='direct' if is_direct else 'alternative',
        )
        for is_direct, line in _outlines(frame)
    ]


def _lanes(frame):
    """Return lanes as in the list of 2018."""
    names = {'laneDirection': 'parallel', 'laneStyle': 'solid', 'laneTypes': 'single white'}
    return [_item_2020('lane', *_with_bezier(e), closed=False, **names) for e in frame.edges]


def _records(frames, labels):
    return [
        {
            'name': f'{frame.name}.jpg',
            'attributes': frame.record['attributes'],
            'labels': labels(frame),
        }
        for frame in frames
    ]


def _write_2018_list(write, split, frames):
    records = _records(frames, lambda f: [*_boxes(f), *_areas(f), *_lanes(f)])
    write(f'labels/bdd100k_labels_images_{split}.json', records)


def _write_det_20(write, split, frames):
    def boxes(frame):
        return [
            {**item, 'category': NAMES_2020.get(item['category'], item['category'])}
            for item in _boxes(frame)
        ]

    write(f'labels/det_20/det_{split}.json', _records(frames, boxes))


def _write_2020_masks(write, split, frames):
    _write_det_20(write, split, frames)
    for frame in frames:
        drivable = np.full(frame.direct.shape, 2, np.uint8)
        drivable[frame.alternative > 0] = 1
        drivable[frame.direct > 0] = 0
        lane = np.where(frame.lane > 0, np.uint8(6), np.uint8(255))  # single white, solid
        write(f'labels/drivable/masks/{split}/{frame.name}.png', drivable)
        write(f'labels/lane/masks/{split}/{frame.name}.png', lane)


def _write_2020_polygons(write, split, frames):
    def renamed(items, key):
        return [{**item, 'category': item['attributes'][key]} for item in items]

    _write_det_20(write, split, frames)
    areas = _records(frames, lambda f: renamed(_areas(f), 'areaType'))
    lanes = _records(frames, lambda f: renamed(_lanes(f), 'laneTypes'))
    write(f'labels/drivable/polygons/drivable_{split}.json', areas)
    write(f'labels/lane/polygons/lane_{split}.json', lanes)


def _write_yolop(write, split, frames):
    for frame in frames:
        write(f'det_annotations/{split}/{frame.name}.json', frame.record)
        write(f'da_seg_annotations/{split}/{frame.name}.png', frame.direct | frame.alternative)
        write(f'll_seg_annotations/{split}/{frame.name}.png', frame.lane)


def _write_tars(tree, out):
    """Spread the files of a tree over two tars."""
    out.mkdir()
    files = sorted(path for path in tree.rglob('*') if path.is_file())
    for number in range(2):
        with tarfile.open(out / f'shard-{number}.tar', 'w') as tar:
            for path in files[number::2]:
                tar.add(path, path.relative_to(tree).as_posix())
