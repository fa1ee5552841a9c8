# SPDX-License-Identifier: Apache-2.0
import pickle

import pytest

from model_tools.data.problems import DatasetError, Problems


def _lost(count, kind='missing_mask'):
    return [DatasetError(f"'m{i}.png': expected a mask", kind=kind) for i in range(count)]


@pytest.mark.parametrize(
    ('images', 'limit', 'allowed'),
    [
        (0, 0.01, 0),
        (100, 0.0, 0),  # the first lost image stops
        (99, 0.01, 0),
        (100, 0.01, 1),
        (250, 0.01, 2),
        (4, 0.5, 2),
    ],
)
def test_skip__raises_above_the_limit(images, limit, allowed):
    problems = Problems(images, limit=limit)
    for error in _lost(allowed):
        problems.skip(error)
    assert problems.skipped == allowed
    with pytest.raises(DatasetError, match=f'{allowed + 1} of {images} images') as raised:
        problems.skip(_lost(1)[0])
    assert raised.value.kind == 'too_many'
    for part in ("'m0.png': expected a mask", f'{limit:.2%}', '--max-skipped'):
        assert part in str(raised.value)


def test_skip__a_limit_of_1_is_none():
    problems = Problems(1, limit=1.0)
    for error in _lost(3):  # a tar that is cut short counts beside the images
        problems.skip(error)
    assert problems.skipped == 3


def test_summary__of_nothing():
    assert Problems(7).summary() == {
        'images': 7,
        'skipped': 0,
        'skipped_by_kind': {},
        'dropped_objects': {},
        'examples': [],
    }


def test_summary__counts_by_kind_and_keeps_the_first_sentences():
    problems = Problems(100, limit=0.2)
    for error in _lost(7) + _lost(1, kind='bad_json'):
        problems.skip(error)
    for i in range(1000):
        problems.note('empty box', f'box {i}')
    summary = problems.summary()
    assert summary['skipped'] == 8
    assert summary['skipped_by_kind'] == {'missing_mask': 7, 'bad_json': 1}
    assert summary['dropped_objects'] == {'empty box': 1000}
    assert summary['examples'] == [
        *(f"'m{i}.png': expected a mask" for i in range(5)),
        "'m0.png': expected a mask",
        *(f'box {i}' for i in range(5)),
    ]


def test_merge__equals_one_count():
    whole, parts = Problems(10, limit=0.3), [Problems(5, limit=1) for _ in range(2)]
    for part in parts:
        for problems in (whole, part):
            problems.skip(_lost(1)[0])
            problems.note('empty box', 'box')
    merged = Problems(10, limit=0.3)
    for part in parts:
        merged.merge(part)
    assert merged.summary() == whole.summary()
    with pytest.raises(DatasetError, match=r"4 of 10 images.*the first: 'm0\.png'"):
        merged.merge(pickle.loads(pickle.dumps(_two_lost())))


def _two_lost():
    part = Problems(5, limit=1)
    for error in _lost(2):
        part.skip(error)
    return part


@pytest.mark.parametrize('limit', [-0.1, 1.1, float('nan')])
def test_problems__limit_is_a_share(limit):
    with pytest.raises(ValueError, match='0 to 1'):
        Problems(10, limit=limit)


def test_dataset_error__crosses_processes():
    error = pickle.loads(pickle.dumps(DatasetError('a sentence', kind='bad_json')))
    assert (str(error), error.kind) == ('a sentence', 'bad_json')
