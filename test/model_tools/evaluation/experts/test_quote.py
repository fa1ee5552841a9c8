# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from model_tools.cli import main
from model_tools.evaluation.experts.quote import quoted_comparison, read_comparison
from model_tools.evaluation.report.document import DocumentError, check

ROOT = Path(__file__).parents[4]


def row(name, ms, ap50, lane, *, boxes=('real',)):
    scores = {'images': 7, 'ap50': ap50, 'drivable_iou': None, 'lane_iou': lane}
    part = {**scores, 'labels': {'boxes': list(boxes)}}
    return {
        'name': name,
        'scores': {'all': {**part, 'images': 9, 'labels': {'boxes': ['real', 'x']}}, 'town': part},
        'times': {'network': {'cpu_ms': ms}},
    }


def test_quoted_comparison__only_images_whose_boxes_people_drew():
    rows = [row('ours', 30.4, {'vehicle': 0.7}, 0.5), row('theirs', 99.6, {}, None)]
    lines = [' '.join(line.split()) for line in quoted_comparison({'rows': rows}).splitlines()]
    assert (
        lines[0] == '| 7 images, town | vehicle AP50 | drivable IoU | lane IoU | network CPU ms |'
    )
    assert lines[2:] == ['| ours | 0.700 | - | 0.500 | 30 |', '| theirs | - | - | - | 100 |']


def test_quoted_comparison__networks_that_are_named():
    rows = [row(name, 30.4, {}, None) for name in ('ours', 'small', 'theirs')]
    body = quoted_comparison({'rows': rows}, ['theirs', 'ours']).splitlines()[2:]
    assert [line.split()[1] for line in body] == ['theirs', 'ours']
    with pytest.raises(DocumentError, match='no network larger; expected some of ours, small, th'):
        quoted_comparison({'rows': rows}, ['ours', 'larger'])


def test_quoted_comparison__all_images_if_none_are_drawn():
    rows = [row('ours', 30.4, {'vehicle': 0.7}, 0.5, boxes=['pseudo'])]
    assert quoted_comparison({'rows': rows}).startswith('| 9 images, all')


@pytest.mark.parametrize('text', ['', '[]', '{}', '{"schema": 1}', '{"schema": 2, "rows": [1]}'])
def test_read_comparison__refused(tmp_path, text):
    path = tmp_path / 'table.json'
    path.write_text(text)
    with pytest.raises(DocumentError, match='compare again'):
        read_comparison(path)


def test_command(tmp_path):
    table, readme = tmp_path / 'table.json', tmp_path / 'README.md'
    table.write_text(json.dumps({'schema': 1, 'rows': [row('ours', 30, {'vehicle': 0.7}, 0.5)]}))
    readme.write_text('a\n<!-- experts -->\n<!-- /experts -->\nb\n')
    assert main(['document', '--experts', str(table), '--check', str(readme)]) == 2
    assert main(['document', '--experts', str(table), '--write', str(readme)]) == 0
    assert main(['document', '--experts', str(table), '--check', str(readme)]) == 0
    assert '0.700' in readme.read_text()


def test_readme_quotes_the_committed_table():
    table = read_comparison(ROOT / 'docs/results/experts/table.json')
    experiments = ('half_time', 'narrow', 'student_', 'teacher_')  # which the README spares
    networks = [r['name'] for r in table['rows'] if not r['name'].startswith(experiments)]
    check(ROOT / 'README.md', quoted_comparison(table, networks), marker='experts')
