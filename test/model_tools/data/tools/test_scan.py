# SPDX-License-Identifier: Apache-2.0
import os
from operator import attrgetter

import pytest

from model_tools.data.readers import open_data
from model_tools.data.tools.scan import scan

measure = attrgetter('name')


class Fatal:
    """End the process that is sent this."""

    def __reduce__(self):
        return os._exit, (1,)

    def __call__(self, sample):
        raise AssertionError


@pytest.mark.parametrize('workers', [1, 2])
def test_scan__same_order_and_values_with_processes(roads, workers):
    roads.path('train', 'train_2').write_bytes(b'no image')
    data, asked = open_data(roads.root), []

    def progress(split, names):
        for name in names:
            asked.append((split, name))
            yield name

    found = list(scan(data, 'train', measure, workers=workers, progress=progress))
    assert [image.name for image in found] == ['train_0', 'train_1', 'train_2', 'train_3']
    assert asked == [('train', image.name) for image in found]
    assert [image.value for image in found] == ['train_0', 'train_1', None, 'train_3']
    assert 'train_2.jpg' in str(found[2].error)
    assert found[2].error.kind == 'bad_image'
    assert found[0].error is None


def test_scan__a_worker_that_dies_is_one_sentence(roads):
    with pytest.raises(OSError, match="split 'train' was ended from outside"):
        list(scan(open_data(roads.root), 'train', Fatal(), workers=2))


def test_scan__an_error_of_the_measure_is_not_hidden(roads):
    def fails(sample):
        raise RuntimeError('a bug')

    with pytest.raises(RuntimeError, match='a bug'):
        list(scan(open_data(roads.root), 'val', fails))
