# SPDX-License-Identifier: Apache-2.0

import pytest

from model_tools.evaluation.report.caveats import caveats


@pytest.mark.parametrize(
    'sentence',
    [
        'Figures of different protocols do not compare, even where they share a name.',
        'Not all labels of boxes and lane were drawn by people (pseudo):',
        'Lane masks were drawn from polylines by our pairing rule;',
        'dataset was run with other settings than its own (min_box_height):',
        'yolop emulates the published evaluation of hustvl/YOLOP and was not checked against',
        'rmt_ppad emulates',
        '2 of 92 images could not be used',
        'Slices of fewer than 50 images are anecdotes, not measurements: motorway (30), night',
        'Only figures measured on the val split of BDD100K are BDD100K figures.',
    ],
)
def test_caveats(record, sentence):
    assert any(line.startswith(sentence) for line in caveats(record)), caveats(record)


def test_caveats__nothing_scored(bare_record):
    text = ' '.join(caveats(bare_record))
    assert 'No detection, drivable or lane score' in text
    assert 'could not be used' not in text
    assert 'emulates' not in text
    assert 'different protocols' not in text


def test_caveats__labels_by_people_need_none(record):
    record['protocols']['dataset']['all']['labels'] = {
        kind: ['real'] for kind in ('boxes', 'drivable', 'lane')
    }
    assert 'drawn by people' not in ' '.join(caveats(record))


def test_caveats__unknown_makers(record):
    del record['protocols']['dataset']['all']['labels']
    sentence = 'The data do not say who made the labels of boxes, drivable and lane.'
    assert sentence in caveats(record)


def test_caveats__unstated_makers(record):
    record['protocols']['dataset']['all']['labels']['boxes'] = ['unstated']
    assert 'The data do not say who made the labels of boxes.' in caveats(record)
