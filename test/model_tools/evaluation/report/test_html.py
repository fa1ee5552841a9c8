# SPDX-License-Identifier: Apache-2.0

import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from model_tools.evaluation.report.html import write_html
from model_tools.evaluation.report.tiles import Tile

TILE = Tile('lane', 'worst', 'town_7', 0.25, np.full((6, 9, 3), 90, np.uint8))
HOSTILE = '</title><script>alert("&\')</script>'


@pytest.fixture
def render(tmp_path):
    def render(record, *tiles):
        out = tmp_path / 'new' / 'report.html'
        write_html(record, tiles, out)
        return out.read_text()

    return render


def parse(page):
    """Return the page as a tree: it is written as XML, so that this finds unclosed elements."""
    return ElementTree.fromstring(page)


def text_of(element):
    return re.sub(r'\s+', ' ', ''.join(element.itertext())).strip()


def tables(page):
    """Return caption, head and rows of every table."""
    found = {}
    for figure in parse(page).iter('figure'):
        if figure.get('class') == 'table':
            rows = [[text_of(cell) for cell in row] for row in figure.iter('tr')]
            found[text_of(figure.find('figcaption'))] = rows
    return found


def test_write_html__headline(render, record):
    cards = next(e for e in parse(render(record)).iter('dl') if e.get('class') == 'headline')
    assert [text_of(card) for card in cards] == [
        'vehicle AP500.500',
        'person AP500.500',
        'drivable IoU0.960',
        'lane IoU0.400',
    ]


def test_write_html__one_table_a_protocol(render, record):
    found = tables(render(record))
    assert found['Figures by protocol dataset. Bold: all labels drawn by people.'] == [
        ['', 'images', 'vehicle AP50', 'person AP50', 'drivable IoU', 'lane IoU'],
        ['all images', '90', '0.500', '0.500', '0.960', '0.400'],
        ['source'],
        ['town', '60', '0.625', '0.625', '0.960', '0.400'],
        ['motorway', '30', '0.500', '0.500', '0.960', '0.300'],
        ['timeofday'],
        ['night', '30', '-', '-', '0.960', '-'],
    ]
    yolop = found['Figures by protocol yolop. Bold: all labels drawn by people.']
    assert yolop[0][2:] == [
        'vehicle max recall',
        'vehicle AP50',
        'drivable mIoU',
        'lane recall',
        'lane IoU',
    ]
    assert yolop[1] == ['all images', '90', '0.875', '0.500', '0.930', '0.812', '0.400']
    rmt_ppad = found['Figures by protocol rmt_ppad. Bold: all labels drawn by people.']
    assert rmt_ppad[0][5] == 'lane balanced accuracy'
    assert rmt_ppad[1][5] == '0.938'


def test_write_html__details(render, record):
    found = tables(render(record))
    boxes = {row[0]: row[1:] for row in found['Boxes, protocol dataset']}
    assert boxes['boxes'] == ['12', '12']
    assert boxes['16 to 32 px'] == ['0.250', '0.250']
    assert 'below 16 px' not in boxes  # no label has a figure
    masks = {row[0]: row[1:] for row in found['Masks, protocol dataset']}
    assert masks[''] == ['drivable', 'drivable, direct', 'lane', 'lane, dilated']
    assert masks['threshold'] == ['0.55', '0.55', '0.55', '0.55']
    assert masks['IoU'] == ['0.960', '0.700', '0.400', '0.600']
    assert masks['far'] == ['-', '-', '0.200', '-']
    assert masks['tolerance in px'] == ['-', '-', '4', '-']


def test_write_html__bold_and_bars(render, record):
    page = render(record)
    assert '<td class="share people" style="--share: 0.625">0.625</td>' in page
    assert '<td class="share" style="--share: 0.3">0.300</td>' in page


def test_write_html__settings_with_what_was_changed(render, record):
    page = render(record)
    settings = tables(page)["One column a protocol. Marked: not the protocol's own value."]
    assert settings[0] == ['setting', 'dataset', 'yolop', 'rmt_ppad']
    assert ['labels', 'vehicle, person', 'vehicle', 'vehicle'] in settings
    assert ['min_box_height', '12not 0', '12', '12'] in settings
    text = text_of(parse(page))
    assert 'Changed: min_box_height is 12 instead of 0: low boxes lack labels.' in text


def test_write_html__curves(render, record):
    text = text_of(parse(render(record)))
    assert 'Precision over recall at IoU 0.5' in text
    assert 'lane mask over its threshold; dashed: 0.55, in use' in text
    assert 'vehicle ECE 0.250' in text
    assert 'person ECE' not in text  # nothing found: nothing to plot
    assert 'drivable mask over' not in text


def test_write_html__labels_and_problems(render, record):
    page = render(record)
    text = text_of(parse(page))
    for fact in (
        'vehiclecar, bus, (trailer)',
        'lanedrawn from polylines, 2 px',
        '2 of 92 images could not be used: 2 missing_mask.',
        'Objects dropped or repaired: 3 empty_box.',
        "'ROADS/a.jpg': no drivable mask; add it",
        'What these numbers do not say',
        'yolop emulates',
    ):
        assert fact in text
    makers = tables(page)[
        'How the labels of each source came about, as its data say. Real: drawn by people.'
    ]
    assert makers[1:] == [
        ['town', 'real', 'real', 'pseudo'],
        ['motorway', 'pseudo, real', 'real', 'pseudo'],
    ]


def test_write_html__tiles(render, record):
    page = render(record, TILE)
    image = next(parse(page).iter('img'))
    head, _, content = image.get('src').partition(',')
    jpeg = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
    assert head == 'data:image/jpeg;base64'
    assert jpeg.shape == (6, 9, 3)
    assert 'IoU 0.250 town_7' in text_of(parse(page))
    assert 'lane, worst' in text_of(parse(page))
    assert 'Best and worst' not in render(record)


def test_write_html__nothing_scored(render, bare_record):
    page = render(bare_record)
    assert tables(page)['Figures by protocol dataset. Bold: all labels drawn by people.'] == [
        ['', 'images', 'drivable IoU', 'lane IoU'],
        ['all images', '1', '-', '-'],
    ]
    text = text_of(parse(page))
    assert 'Every image could be used.' in text
    assert 'Curves' not in text


def test_write_html__needs_nothing_else(render, record):
    page = render(record, TILE)
    addresses = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')\s]+)', page)
    assert [a for a in addresses if not a.startswith(('data:image/jpeg', '#'))] == []
    assert '<script' not in page
    assert '@import' not in page


def test_write_html__names_are_data(render, record):
    record['model']['name'] = record['data']['name'] = HOSTILE
    record['data']['problems']['examples'] = [HOSTILE]
    record['protocols']['dataset']['overrides']['min_box_height']['why'] = HOSTILE
    slices = record['protocols']['dataset']['slices']
    slices[HOSTILE] = {HOSTILE: slices['source'].pop('town')}
    curve = record['curves']['precision_recall']['vehicle']
    record['curves']['precision_recall'] = {HOSTILE: curve, '$x_{$': curve}
    record['curves']['calibration'] = {HOSTILE: record['curves']['calibration']['vehicle']}
    page = render(record, Tile('lane', 'best', HOSTILE, 0.5, TILE.image))
    assert '<script' not in page
    assert text_of(parse(page).find('head/title')) == f'{HOSTILE} on {HOSTILE}, val'


def test_write_html__same_record_same_bytes(render, record):
    assert render(record, TILE) == render(record, TILE)


def test_write_html__element_names_are_unique(render, record):
    names = [element.get('id') for element in parse(render(record)).iter() if element.get('id')]
    assert sorted(names) == sorted(set(names))
