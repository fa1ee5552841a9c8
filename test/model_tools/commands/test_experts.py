# SPDX-License-Identifier: Apache-2.0
"""The experts command on a small data set, with a road network that only knows two colours."""

import json

import onnx
import pytest

from model_tools.cli import main
from panoptic_perception.engines import find_model

SHIPPED = str(find_model())
ROAD_NETWORK = """
    <ir_version: 8, opset_import: ["": 13]>
    grey (float[1, 3, 96, 160] image) => (float[1, 4, 96, 160] prob)
    <int64[3] parts = {1, 1, 1}, float road = {100.0}, float mark = {200.0}>
    {
        blue, green, red = Split <axis = 1> (image, parts)
        is_grey = Greater (green, road)
        is_white = Greater (green, mark)
        grey = Cast <to = 1> (is_grey)
        white = Cast <to = 1> (is_white)
        street = Sub (grey, white)
        none = Sub (green, green)
        prob = Concat <axis = 1> (none, street, none, white)
    }
"""


@pytest.fixture
def expert_folder(tmp_path):
    folder = tmp_path / 'experts'
    folder.mkdir()
    onnx.save(onnx.parser.parse_model(ROAD_NETWORK), folder / 'road-segmentation-adas-0001.onnx')
    return folder


def run(expert_folder, road_folder, out, *options):
    return main(
        ['experts', '--experts', str(expert_folder), '--data', str(road_folder)]
        + ['--out', str(out), *options]
    )


def test_experts(expert_folder, road_folder, tmp_path, capsys):
    out = tmp_path / 'deep' / 'out'
    other = tmp_path / 'other.onnx'
    other.write_bytes(find_model().read_bytes())
    names = ['--names', 'road-segmentation', 'road-segmentation', '--model', SHIPPED, str(other)]
    assert run(expert_folder, road_folder, out, *names, '--set', 'min_box_height=12') == 0
    assert {p.name for p in out.iterdir()} == {
        'README.md',
        'other.json',
        'panoptic.json',
        'pareto.png',
        'road-segmentation.json',
        'table.json',
    }
    table = json.loads((out / 'table.json').read_text())
    ours, other, expert = table['rows']
    assert [row['name'] for row in table['rows']] == ['panoptic', 'other', 'road-segmentation']
    assert other['scores'] == ours['scores']
    assert table['settings_asked_for'] == {'min_box_height': 12.0}
    assert table['timing'] == {'images': 2, 'threads': 1}
    # The images are JPEG files: their edges are a little off.
    assert expert['scores']['toy']['drivable_iou'] > 0.95
    assert expert['scores']['all']['lane_iou'] > 0.8
    assert expert['scores']['all']['ap50'] == {}
    assert set(ours['scores']['all']['ap50']) == {'vehicle', 'person', 'cycle'}
    assert ours['times']['cpu_ratio'] == {'median': 1.0, 'quartiles': [1.0, 1.0]}
    assert expert['times']['network']['cpu_ms'] >= 0
    record = json.loads((out / 'road-segmentation.json').read_text())
    assert record['model']['origin'].startswith('github.com/openvinotoolkit/open_model_zoo')
    page = (out / 'README.md').read_text()
    assert capsys.readouterr().out.strip() == page.strip()
    row = next(line for line in page.splitlines() if line.startswith('| road-segmentation'))
    scores = [f'{expert["scores"]["all"][task]:.3f}' for task in ('drivable_iou', 'lane_iou')]
    assert row.replace('|', ' ').split() == ['road-segmentation', '-', '-', '-', *scores]


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (['--names', 'yolo'], "no expert is called 'yolo'; known: "),
        (['--names', 'twinlitenet'], 'twinlitenet.onnx'),
        (['--names', 'road-segmentation', '--threads', '0'], '--threads is 1 or more'),
        (['--names', 'road-segmentation', '--set', 'min_hight=3'], 'min_hight'),
        (['--names', 'road-segmentation', '--split', 'test'], "'test'"),
        (
            ['--names', 'road-segmentation', '--model', SHIPPED, SHIPPED],
            "rename the files: ['panoptic']",
        ),
    ],
)
def test_experts__refusals_write_nothing(
    expert_folder, road_folder, tmp_path, capsys, options, sentence
):
    assert run(expert_folder, road_folder, tmp_path / 'out', *options) == 2
    error = capsys.readouterr().err
    assert error.startswith('model_tools: error: ')
    assert sentence in error
    assert not (tmp_path / 'out').exists()
