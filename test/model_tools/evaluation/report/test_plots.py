# SPDX-License-Identifier: Apache-2.0

import re
import xml.etree.ElementTree as ElementTree

import pytest

from model_tools.evaluation.report.plots import precision_recall, reliability, threshold_sweep

CURVE = {'recall': [0.0, 0.5, 1.0], 'precision': [1.0, 0.75, 0.5], 'score': [0.9, 0.5, 0.1]}
NO_CURVE = {'recall': [], 'precision': [], 'score': []}
BINS = {'confidence': [0.2, None, 0.9], 'accuracy': [0.1, None, 1.0], 'count': [9, 0, 400]}
SWEEP = {
    'threshold': [0.25, 0.5, 0.75],
    'iou': [0.2, 0.4, 0.3],
    'precision': [0.5, 0.75, None],
    'recall': [1.0, 0.75, 0.5],
}


def lines(svg, colour):
    """Return the corner points of the polylines of a colour, in units of the picture."""
    found = []
    for path in ElementTree.fromstring(svg).iter('{http://www.w3.org/2000/svg}path'):
        if f'stroke: {colour}' in path.get('style', '') and path.get('clip-path'):
            found.append(re.findall(r'([\d.]+) ([\d.]+)', path.get('d')))
    return found


@pytest.mark.parametrize(
    ('draw', 'words'),
    [
        (lambda: precision_recall({'vehicle': CURVE}, 0.4), {'vehicle', 'recall', 'precision'}),
        (lambda: precision_recall({'vehicle': NO_CURVE}, 0.4), {'vehicle'}),
        (lambda: precision_recall({'vehicle': CURVE}, None), {'vehicle'}),
        (lambda: precision_recall({f'l{i}': CURVE for i in range(9)}, 0.4), {'l0', 'l8'}),
        (lambda: reliability('vehicle', BINS), {'confidence', 'share right', 'count'}),
        (lambda: threshold_sweep('lane', SWEEP, 0.5), {'IoU', 'precision', 'threshold'}),
    ],
)
def test_plot(draw, words):
    svg = draw()
    assert svg == draw()
    texts = {''.join(e.itertext()).strip() for e in ElementTree.fromstring(svg).iter()}
    assert words <= texts


@pytest.mark.parametrize(
    'svg',
    [
        precision_recall({'vehicle': CURVE}, 0.4),
        reliability('vehicle', BINS),
        threshold_sweep('lane', SWEEP, 0.5),
    ],
)
def test_plot__takes_colours_and_size_from_the_page(svg):
    root = ElementTree.fromstring(svg)
    assert 'var(--series-1)' in svg
    assert not re.findall(r': #[0-9a-f]{3,6}', svg)
    assert root.get('viewBox')
    assert root.get('width') is None
    assert root.get('height') is None
    assert '<style' not in svg


def test_precision_recall__dot_at_the_last_score_in_use():
    def dots(score):
        svg = precision_recall({'vehicle': CURVE}, score)
        (line,) = lines(svg, 'var(--series-1)')
        marks = re.findall(r'<use xlink:href="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*series-1', svg)
        return [line.index(mark) for mark in marks]

    assert dots(0.5) == [1]
    assert dots(0.05) == [2]
    assert dots(0.95) == []
