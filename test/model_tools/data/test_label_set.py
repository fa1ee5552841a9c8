# SPDX-License-Identifier: Apache-2.0
import pytest

from model_tools.data.label_set import DEFAULT, VEHICLE, LabelSet, LabelSetError, load_label_set


@pytest.mark.parametrize(
    ('category', 'default', 'vehicle'),
    [
        ('car', (0, False), (0, False)),
        ('train', (0, False), (0, False)),
        ('trailer', (0, True), None),
        ('other vehicle', (0, True), None),
        ('person', (1, False), None),
        ('pedestrian', (1, False), None),
        ('rider', (1, False), None),
        ('other person', (1, True), None),
        ('bike', (2, False), None),
        ('motorcycle', (2, False), None),
        ('traffic light', None, None),
        ('lane/road curb', None, None),
        ('giraffe', None, None),
        ('', None, None),
    ],
)
def test_index__of_the_two_named_sets(category, default, vehicle):
    assert DEFAULT.index(category) == default
    assert VEHICLE.index(category) == vehicle


def test_load_label_set__by_name():
    assert load_label_set('default') is DEFAULT
    assert load_label_set('vehicle') is VEHICLE


def test_load_label_set__from_a_file(tmp_path):
    path = tmp_path / 'labels.yaml'
    path.write_text('heavy: [bus, truck]\nlight: [car]\nignored: {light: [trailer]}\n')
    labels = load_label_set(str(path))
    assert labels == LabelSet(
        names=('heavy', 'light'),
        categories={'bus': 'heavy', 'truck': 'heavy', 'car': 'light'},
        ignored={'trailer': 'light'},
    )
    assert labels.index('truck') == (0, False)
    assert labels.index('trailer') == (1, True)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'expected a mapping'),
        ('{}', 'at least one label'),
        ('- car', 'expected a mapping'),
        ('vehicle: car', r'needs a list of categories, found car'),
        ('vehicle: [car, tram]', r"unknown categories \['tram'\]; known: \['bicycle'"),
        ('vehicle: [1]', r"unknown categories \['1'\]"),
        ('{a: [car], b: [car]}', "'car' belongs to 'a' and to 'b'"),
        ('{a: [car], ignored: [bus]}', 'ignored is a mapping'),
        ('{a: [car], ignored: {b: [bus]}}', r"unknown labels \['b'\]; the set has \['a'\]"),
        ('{a: [car], ignored: {a: [car]}}', r"\['car'\] are both"),
        ('vehicle: [car', 'expected YAML'),
    ],
)
def test_load_label_set__broken_file_is_named(tmp_path, text, message):
    path = tmp_path / 'labels.yaml'
    path.write_text(text)
    with pytest.raises(LabelSetError, match=message) as error:
        load_label_set(str(path))
    assert str(path) in str(error.value)


def test_load_label_set__neither_name_nor_file():
    with pytest.raises(LabelSetError, match=r"'vehicles': expected \['default', 'vehicle'\] or"):
        load_label_set('vehicles')
