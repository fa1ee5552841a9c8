# SPDX-License-Identifier: Apache-2.0
import copy
import json

import pytest

from model_tools.cli import main
from model_tools.evaluation.report.difference import difference_table
from model_tools.evaluation.report.document import DocumentError


@pytest.fixture
def other(record):
    """Make the record of a network that is worse at vehicles, low boxes and far lane lines."""
    other = copy.deepcopy(record)
    whole = other['protocols']['dataset']['all']
    whole['detection']['labels']['vehicle']['ap50'] = 0.45
    whole['detection']['labels']['person']['ap50_by_height']['16-32'] = 0.15
    whole['lane']['bands']['far'] = 0.125
    return other


def _rows(table):
    cells = [[cell.strip() for cell in line.split('|')[1:-1]] for line in table.splitlines()]
    return {first: rest for first, *rest in cells}


def test_difference_table(record, other):
    rows = _rows(difference_table(record, other))
    same = '0.500 (+0.000)'
    assert rows['images'] == ['vehicle AP50', 'person AP50', 'drivable IoU', 'lane IoU']
    assert rows['all'] == ['0.450 (-0.050)', same, '0.960 (+0.000)', '0.400 (+0.000)']
    assert rows['source motorway (30)'] == [same, same, '0.960 (+0.000)', '0.300 (+0.000)']
    assert rows['timeofday night (30)'] == ['-', '-', '0.960 (+0.000)', '-']
    assert rows['boxes <16 px high'] == ['-'] * 4
    assert rows['boxes 16-32 px high'] == ['0.250 (+0.000)', '0.150 (-0.100)', '-', '-']
    assert rows['far rows'] == ['-', '-', '-', '0.125 (-0.075)']
    assert rows['near rows'] == ['-'] * 4


def test_difference_table__nothing_scored(bare_record):
    assert _rows(difference_table(bare_record, bare_record))['all'] == ['-', '-']


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'data': {'images': 12}}, 'images: 90 and 12'),
        ({'data': {'name': 'OTHER'}}, 'data: ROADS and OTHER'),
        ({'settings': {'match': 'greedy'}}, 'match: coco and greedy'),
        ({'settings': {'labels': ['vehicle']}}, 'labels: '),
    ],
)
def test_difference_table__another_evaluation_refused(record, other, change, told):
    other['data'].update(change.get('data', {}))
    other['protocols']['dataset']['settings'].update(change.get('settings', {}))
    with pytest.raises(DocumentError, match=f'same evaluation: {told}'):
        difference_table(record, other)


def test_difference_table__thresholds_and_input_may_differ(record, other):
    settings = other['protocols']['dataset']['settings']
    settings.update(lane_threshold=0.4, geometry='letterbox 896x448')
    record['protocols']['dataset']['settings'].update(
        lane_threshold=0.5, geometry='letterbox 640x384'
    )
    assert '-0.050' in difference_table(record, other)


def test_command(record, other, tmp_path, capsys):
    paths = [tmp_path / 'before.json', tmp_path / 'after.json']
    for path, content in zip(paths, (record, other), strict=True):
        path.write_text(json.dumps(content))
    assert main(['compare', *map(str, paths)]) == 0
    assert '| 0.450 (-0.050)' in capsys.readouterr().out
    paths[1].write_text('{}')
    assert main(['compare', *map(str, paths)]) == 2
    assert 'after.json' in capsys.readouterr().err
