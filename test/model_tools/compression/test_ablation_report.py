# SPDX-License-Identifier: Apache-2.0
import cv2
import pytest

from model_tools.compression.ablation_report import STAGES, delta_m, draw, joined, table, tables

REFERENCE = {'vehicle_ap50': 0.5, 'person_ap50': 0.25, 'drivable_iou': 0.9, 'lane_iou': 0.6}


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({}, 0.0),
        ({'lane_iou': 0.3}, -50 / 3),
        # Both labels are one task.
        ({'vehicle_ap50': 0.25, 'person_ap50': 0.5}, 100 * (-0.5 + 1) / 2 / 3),
        ({'vehicle_ap50': 0.0, 'person_ap50': 0.0, 'drivable_iou': 0.0, 'lane_iou': 0.0}, -100.0),
    ],
)
def test_delta_m__mean_of_the_tasks(changes, expected):
    assert delta_m({**REFERENCE, **changes}, REFERENCE) == pytest.approx(expected)


def test_delta_m__scores_that_one_side_lacks():
    assert delta_m({'lane_iou': 0.6, 'cycle_ap50': 0.3}, {'lane_iou': 0.3}) == pytest.approx(100)
    assert delta_m({}, {'lane_iou': 0.3}) == -100
    assert delta_m({'lane_iou': 0.3}, {'lane_iou': 0.3, 'drivable_iou': 0.0}) == 0


def test_joined__lists_by_name():
    assert joined([]) == {}
    assert joined([{'a': 1.0}, {}, {'a': 2.0, 'b': 3.0}]) == {'a': [1.0, 2.0], 'b': [3.0]}


def row(variant, seeds=(), scores=None, **stages):
    costs = {'GMAC': [1.0] * len(seeds)} if seeds else {}
    return {
        'variant': variant,
        'seeds': list(seeds),
        'costs': costs,
        'scores': scores or {},
        **{stage: stages.get(stage, {}) for stage in STAGES},
    }


def test_table__means_and_half_ranges():
    rows = [row('a', (0, 1), {'lane_iou': [0.4, 0.6]}), row('b', (0,))]
    assert table(rows, 'costs', 'scores').splitlines()[2:] == [
        '| a         | 2       | 1.000 ± 0.000 | 0.500 ± 0.100 |',
        '| b         | 1       | 1.000         | -             |',
    ]
    assert table([]).startswith('| variant')


def test_tables__what_is_known_at_other_stages():
    assert tables([row('b')]).count('On ') == 1
    values = dict(zip(STAGES, (0.1, 0.2, 0.7), strict=True))
    made = row('a', (0,), **{stage: {'lane_iou': [value]} for stage, value in values.items()})
    val, *others = tables([made, row('b')]).split('On ')[1:]
    assert (val.count('|\n'), [part.count('|\n') for part in others]) == (4, [3, 3, 3])
    for (stage, value), part in zip(values.items(), others, strict=True):
        assert part.startswith(STAGES[stage].removeprefix('On '))
        assert f'| a         | 1       | {value:.3f}      |' in part


def test_draw__a_dot_for_each_seed(tmp_path):
    scores = {'delta_m %': [-1.0, -3.0], 'lane_iou': [0.5, 0.7]}
    teacher = {**row('teacher'), 'scores': {'lane_iou': [0.8]}}
    sizes = {}
    for students in ([row('none')], [row('some', (0, 1), scores), row('none')]):
        out = tmp_path / f'{len(students)}.png'
        draw([teacher, *students], out)
        picture = cv2.imread(str(out))
        sizes[len(students)] = (picture != 255).sum()
    assert sizes[2] > sizes[1] + 500
