# SPDX-License-Identifier: Apache-2.0

from model_tools.evaluation.report.terminal import table


def rows(text, protocol):
    """Return the words of each line of a protocol's part."""
    part = text.split(f'protocol {protocol}\n')[1].split('\n\n')[0]
    return [line.split() for line in part.splitlines()]


def test_table__each_protocol_has_its_own_columns(record):
    text = table(record)
    assert rows(text, 'dataset')[:2] == [
        ['source', 'images', 'vehicle', 'person', 'drivable', 'lane'],
        ['AP50', 'AP50', 'IoU', 'IoU'],
    ]
    assert rows(text, 'dataset')[3:6] == [
        ['all', '90', '0.500', '0.500', '0.960', '0.400'],
        ['town', '60', '0.625', '0.625', '0.960', '0.400'],
        ['motorway', '30', '0.500', '0.500', '0.960', '0.300'],
    ]
    assert rows(text, 'yolop')[1] == ['max', 'recall', 'AP50', 'mIoU', 'recall', 'IoU']
    assert rows(text, 'yolop')[3] == ['all', '90', '0.875', '0.500', '0.930', '0.812', '0.400']
    assert 'balanced accuracy' in text.split('protocol rmt_ppad')[1]
    assert rows(text, 'rmt_ppad')[3] == ['all', '90', '0.875', '0.500', '0.930', '0.938', '0.400']


def test_table__what_the_figures_rest_on(record):
    text = table(record)
    assert text.startswith('net.onnx 0123456789ab on ROADS, val: 90 images\n')
    assert text.count('overridden:') == 1
    assert '  min_box_height = 12 instead of 0: low boxes lack labels' in text.splitlines()
    assert 'lane from drawn from polylines, 2 px' in text
    assert 'skipped: 2 of 92 images (2 missing_mask)' in text
    assert 'dropped objects: 3 empty_box' in text


def test_table__only_all_images_and_sources(record):
    assert 'night' not in table(record)


def test_table__nothing_scored(bare_record):
    text = table(bare_record)
    assert rows(text, 'dataset')[3] == ['all', '1', '-', '-']
    assert 'overridden' not in text
    assert 'skipped' not in text


def test_table__model_without_a_hash(record):
    record['model'] = {'kind': 'results', 'name': 'out/run'}
    assert table(record).startswith('out/run on ROADS')


def test_table__names_cannot_move_the_cursor(record):
    sources = record['protocols']['dataset']['slices']['source']
    sources['bad\x1b[2J'] = sources.pop('town')
    text = table(record)
    assert '\x1b' not in text
    assert 'bad\N{REPLACEMENT CHARACTER}[2J' in text
