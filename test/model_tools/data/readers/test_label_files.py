# SPDX-License-Identifier: Apache-2.0
import json
import pickle

import pytest

from model_tools.data.files import open_files
from model_tools.data.problems import DatasetError
from model_tools.data.readers import label_files
from model_tools.data.readers.label_files import JsonFolder, JsonList


def _record(name, *categories):
    return {'name': name, 'labels': [{'category': c} for c in categories]}


RECORDS = [_record('a.jpg', 'car'), _record('b-ü.jpg', 'bus', 'car'), _record('c', 'rider')]
FORMS = {
    'compact': json.dumps(RECORDS, separators=(',', ':')),
    'indented': json.dumps(RECORDS, indent=4),
    'UTF-8': json.dumps(RECORDS, ensure_ascii=False),
    'frames': json.dumps({'frames': RECORDS, 'config': {'categories': []}}, indent=1),
    'spaces': '\n [ ' + ' ,\n '.join(map(json.dumps, RECORDS)) + ' \n ]\n\n',
}


def _list(tmp_path, text):
    (tmp_path / 'list.json').write_bytes(text if isinstance(text, bytes) else text.encode())
    return JsonList(open_files(tmp_path), 'list.json')


def _categories(labels, name):
    return [o.category for o in labels.read(name).objects]


@pytest.mark.parametrize('chunk', [1, 7, 64, 1 << 24])
@pytest.mark.parametrize('form', FORMS)
def test_json_list__record_by_name(tmp_path, monkeypatch, form, chunk):
    monkeypatch.setattr(label_files, '_CHUNK', chunk)
    labels = _list(tmp_path, FORMS[form])
    assert _categories(labels, 'a') == ['car']
    assert _categories(labels, 'b-ü') == ['bus', 'car']
    assert _categories(labels, 'folder/c') == ['rider']
    assert labels.read('c').where == f'{tmp_path}/list.json: c'
    assert _categories(pickle.loads(pickle.dumps(labels)), 'c') == ['rider']


@pytest.mark.parametrize('text', ['[]', ' [ ] ', '{"frames": []}', FORMS['compact']])
def test_json_list__image_that_is_not_in_it(tmp_path, text):
    with pytest.raises(DatasetError, match='expected the labels of an image') as error:
        _list(tmp_path, text).read('z')
    assert error.value.kind == 'missing_json'
    assert f'{tmp_path}/list.json: z' in str(error.value)


@pytest.mark.parametrize(
    ('text', 'message', 'kind'),
    [
        ('', 'a JSON list of images', 'bad_json'),
        ('not json', 'a JSON list of images', 'bad_json'),
        ('{"a": 1}', 'a JSON list of images', 'bad_json'),
        ('[', 'expected JSON', 'bad_json'),
        (FORMS['compact'][:-1], 'a comma or the end of the list', 'bad_json'),
        (FORMS['compact'][:-30], 'expected JSON', 'bad_json'),
        ('[{"name": "a"} {"name": "b"}]', 'a comma or the end of the list at byte 14', 'bad_json'),
        (b'[{"name": "\xff\xfe"}]', 'expected JSON', 'bad_json'),
        ('[3]', 'records with a name', 'bad_labels'),
        ('[{"labels": []}]', 'records with a name', 'bad_labels'),
        ('[{"name": 3}]', 'records with a name', 'bad_labels'),
    ],
)
def test_json_list__broken_list_is_named(tmp_path, text, message, kind):
    labels = _list(tmp_path, text)
    for _ in range(2):  # the second time it is not parsed again
        with pytest.raises(DatasetError, match=message) as error:
            labels.read('a')
        assert error.value.kind == kind
        assert str(tmp_path / 'list.json') in str(error.value)


def test_json_list__error_far_from_the_end_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, '_CHUNK', 1000)
    monkeypatch.setattr(label_files, '_LONGEST_TOKEN', 10)
    text = '[{"name": oops' + ' ' * 100_000
    labels = _list(tmp_path, text)
    with pytest.raises(DatasetError, match='expected JSON: Expecting value'):
        labels.read('a')


def test_json_list__broken_one_holds_on_to_no_reader(tmp_path):
    labels = _list(tmp_path, '[{"name":')
    depths = []
    for _ in range(3):
        with pytest.raises(DatasetError) as error:
            labels.read('a')
        depths.append(len(error.traceback))
    assert depths[1] == depths[2] <= depths[0]


def test_json_folder__one_file_an_image(tmp_path):
    (tmp_path / 'val').mkdir()
    (tmp_path / 'val' / 'a.json').write_text(json.dumps(RECORDS[0]))
    (tmp_path / 'val' / 'many.json').write_text(json.dumps(RECORDS))
    labels = JsonFolder(open_files(tmp_path), 'val')
    assert _categories(labels, 'a') == ['car']
    with pytest.raises(DatasetError, match='labels of one image, found 3'):
        labels.read('many')
    with pytest.raises(DatasetError, match=r"val/b\.json': expected the labels") as error:
        labels.read('b')
    assert error.value.kind == 'missing_json'
