# SPDX-License-Identifier: Apache-2.0

import hashlib
import json
from pathlib import Path

import pytest

from model_tools.cli import main
from model_tools.evaluation.report.document import (
    DocumentError,
    check,
    documented_table,
    read_record,
    updated,
    write,
)

ROOT = Path(__file__).parents[4]
COMMITTED = [
    (
        'docs/results/scores.json',
        'panoptic_perception/models/panoptic.onnx',
        ('README.md', 'panoptic_perception/models/MODEL_CARD.md'),
        'scores',
    ),
    (
        'docs/results/scores_fast.json',
        'panoptic_perception/models/panoptic_fast.onnx',
        ('panoptic_perception/models/MODEL_CARD.md',),
        'fast',
    ),
    (
        'docs/results/scores_fast_int8.json',
        'panoptic_perception/models/panoptic_fast_int8.onnx',
        ('panoptic_perception/models/MODEL_CARD.md',),
        'fast_int8',
    ),
    (
        'docs/results/teacher/scores.json',
        'model_tools/weights/teacher.pt',
        ('model_tools/weights/README.md',),
        'scores',
    ),
]
"""Records, the weights that they are of, the documents that quote them, and where there."""

EMPTY = 'before\n<!-- scores -->\n<!-- /scores -->\nafter\n'


def test_documented_table(record):
    assert documented_table(record).splitlines() == [
        '| val images, protocol `dataset` | n '
        '| vehicle AP50 | person AP50 | drivable IoU | lane IoU |',
        '| --- | --- | --- | --- | --- | --- |',
        '| town | 60 | **0.625** | **0.625** | **0.960** | 0.400 |',
        '| motorway | 30 | 0.500 | 0.500 | **0.960** | 0.300 |',
        '',
        'Bold figures are measured against labels drawn by people; the others are not.',
        '`min_box_height` is 12 where the protocol has 0: low boxes lack labels.',
    ]


def test_documented_table__nothing_scored(bare_record):
    assert '| all | 1 | - | - |' in documented_table(bare_record).splitlines()


def test_documented_table__no_figure_is_not_bold(record):
    town = record['protocols']['dataset']['slices']['source']['town']
    town['detection']['labels']['person']['ap50'] = None
    assert '| town | 60 | **0.625** | - | **0.960** | 0.400 |' in documented_table(record)


def test_documented_table__names_cannot_leave_their_cell(record):
    sources = record['protocols']['dataset']['slices']['source']
    sources['a|b\n<!-- /scores -->'] = sources.pop('town')
    table = documented_table(record)
    assert r'| a\|b &lt;!-- /scores --> | 60 |' in table
    assert updated(updated(EMPTY, table, 'x'), table, 'x') == updated(EMPTY, table, 'x')


def test_updated__keeps_what_is_around():
    text = updated(EMPTY, 'TABLE', 'README.md')
    assert text == 'before\n<!-- scores -->\nTABLE\n<!-- /scores -->\nafter\n'
    assert updated(text, 'NEW', 'README.md') == text.replace('TABLE', 'NEW')


@pytest.mark.parametrize(
    'text',
    [
        '',
        '<!-- scores -->',
        '<!-- /scores -->',
        '<!-- /scores --><!-- scores -->',
        EMPTY + EMPTY,
    ],
)
def test_updated__markers_missing(text):
    with pytest.raises(DocumentError, match=r"'README.md' needs one line '<!-- scores -->' and"):
        updated(text, 'TABLE', 'README.md')


def test_write_then_check(tmp_path):
    path = tmp_path / 'CARD.md'
    path.write_text(EMPTY)
    with pytest.raises(DocumentError, match=r"CARD\.md' does not quote the scores"):
        check(path, 'TABLE')
    write(path, 'TABLE')
    check(path, 'TABLE')
    with pytest.raises(DocumentError, match='--write'):
        check(path, 'OTHER')


@pytest.mark.parametrize(
    ('text', 'match'),
    [
        ('', 'is no JSON file'),
        ('{', 'is no JSON file'),
        ('[]', 'schema 1, found None'),
        ('{"scores": {}}', 'schema 1, found None'),
        ('{"schema": 2}', 'schema 1, found 2'),
        ('{"schema": 1}', r"holds the protocols \[\], documents quote 'dataset'"),
        ('{"schema": 1, "protocols": {"yolop": {}}}', r"holds the protocols \['yolop'\]"),
    ],
)
def test_read_record__refused(tmp_path, text, match):
    path = tmp_path / 'scores.json'
    path.write_text(text)
    with pytest.raises(DocumentError, match=match):
        read_record(path)


def test_command(tmp_path, record, capsys):
    scores, readme, card = (tmp_path / name for name in ('s.json', 'README.md', 'CARD.md'))
    scores.write_text(json.dumps(record))
    for path in (readme, card):
        path.write_text(EMPTY)
    command = ['document', '--scores', str(scores)]

    assert main(command) == 0
    assert capsys.readouterr().out == documented_table(record) + '\n'

    assert main([*command, '--write', str(readme)]) == 0
    assert '| town | 60 |' in readme.read_text()
    assert main([*command, '--check', str(readme)]) == 0
    assert capsys.readouterr().err == ''

    several = tmp_path / 'several.md'
    several.write_text(f'{EMPTY}<!-- fast -->\n<!-- /fast -->\n')
    assert main([*command, '--marker', 'fast', '--write', str(several)]) == 0
    assert several.read_text().startswith(EMPTY)
    assert main([*command, '--marker', 'fast', '--check', str(several)]) == 0
    assert '| town | 60 |' in several.read_text()

    assert main([*command, '--check', str(readme), str(card)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"model_tools: error: '{card}' does not quote")
    assert error.count('\n') == 1


@pytest.mark.parametrize(('scores', 'weights', 'documents', 'marker'), COMMITTED)
def test_documents_quote_the_committed_record(scores, weights, documents, marker):
    record = read_record(ROOT / scores)
    assert record['model']['sha256'] == hashlib.sha256((ROOT / weights).read_bytes()).hexdigest()
    for document in documents:
        check(ROOT / document, documented_table(record), marker=marker)
