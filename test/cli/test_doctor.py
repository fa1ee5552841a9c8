# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest


def lines(done):
    """Return (level, text) by subject."""
    rows = {}
    for line in done.stdout.splitlines():
        rows[line[6:23].strip()] = (line[:5].strip(), line[24:])
    return rows


def test_doctor__a_sound_machine(panoptic, tiny_model):
    done = panoptic('doctor', '--model', tiny_model)
    assert done.returncode == 0, done.stdout
    rows = lines(done)
    for subject in (*('Python', 'numpy', 'cv2', 'onnx', 'rosbags', 'onnxruntime', 'model'),):
        assert rows[subject][0] == 'ok'
    assert rows['openvino'][0] == ('ok' if find_spec('openvino') else 'note')
    assert 'CPUExecutionProvider' in rows['onnxruntime'][1]
    assert 'answers in' in rows['model'][1]
    assert '\033' not in done.stdout


def test_doctor__missing_model_is_red(panoptic, tmp_path):
    done = panoptic('doctor', '--model', tmp_path / 'none.onnx')
    assert done.returncode == 1
    level, text = lines(done)['model']
    assert level == 'FAIL'
    assert 'does not exist' in text


@pytest.mark.parametrize(
    ('environment', 'subject', 'level', 'text'),
    [
        ({'ROS_DOMAIN_ID': '7'}, 'ROS_DOMAIN_ID', 'ok', '7'),
        ({'ROS_DOMAIN_ID': '150'}, 'ROS_DOMAIN_ID', 'note', 'use 0 to 101'),
        ({'ROS_DOMAIN_ID': '233'}, 'ROS_DOMAIN_ID', 'FAIL', 'from 0 to 232'),
        ({'ROS_DOMAIN_ID': 'home'}, 'ROS_DOMAIN_ID', 'FAIL', 'from 0 to 232'),
        ({'AMENT_PREFIX_PATH': ''}, 'AMENT_PREFIX_PATH', 'note', 'source install/setup.bash'),
        (
            {'FASTDDS_DEFAULT_PROFILES_FILE': '/none.xml'},
            'DDS profile',
            'FAIL',
            '/none.xml, which does not exist',
        ),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': ''}, 'DDS profile', 'note', 'config/fastdds_shm.xml'),
        ({'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'}, 'RMW', 'ok', 'rmw_fastrtps_cpp'),
    ],
)
def test_doctor__settings(panoptic, tiny_model, environment, subject, level, text):
    pytest.importorskip('rclpy', reason='ROS 2 is not installed')
    done = panoptic('doctor', '--model', tiny_model, **environment)
    found_level, found_text = lines(done)[subject]
    assert found_level == level
    assert text in found_text
    assert done.returncode == (1 if level == 'FAIL' else 0)


@pytest.fixture
def without(tmp_path):
    """Return a function that gives the environment in which modules cannot be imported."""

    def hide(*modules):
        (tmp_path / 'hidden').mkdir()
        for module in modules:
            (tmp_path / 'hidden' / f'{module}.py').write_text('raise ImportError("not here")\n')
        return {'PYTHONPATH': str(tmp_path / 'hidden')}

    return hide


@pytest.mark.parametrize('module', ['numpy', 'cv2', 'onnx', 'rosbags', 'tqdm'])
def test_doctor__missing_library_is_red_and_names_the_cure(panoptic, tiny_model, without, module):
    done = panoptic('doctor', '--model', tiny_model, **without(module))
    assert done.returncode == 1, done.stderr
    assert 'Traceback' not in done.stderr
    level, text = lines(done)[module]
    assert level == 'FAIL'
    assert 'cannot be imported (not here): pip install ' in text
    assert 'DDS profile' in lines(done), 'all other checks are made too'


def test_doctor__a_library_that_fails_in_its_own_way(panoptic, tiny_model, without):
    environment = without('onnx')
    broken = Path(environment['PYTHONPATH']) / 'onnx.py'
    broken.write_text('raise TypeError("Descriptors cannot be created directly")\n')
    done = panoptic('doctor', '--model', tiny_model, **environment)
    assert done.returncode == 1, done.stderr
    assert 'Traceback' not in done.stderr
    assert lines(done)['onnx'][1].startswith('cannot be imported (Descriptors cannot be created')


@pytest.mark.parametrize(
    ('distro', 'cure'),
    [
        ('humble', "pip install onnx 'numpy>=1.26,<2'"),
        ('lyrical', "pip install onnx 'numpy>=1.26'"),
    ],
)
def test_doctor__cure_keeps_the_numpy_of_a_sourced_ros(
    panoptic, tiny_model, without, distro, cure
):
    done = panoptic('doctor', '--model', tiny_model, ROS_DISTRO=distro, **without('onnx'))
    assert lines(done)['onnx'][1].endswith(cure)


@pytest.mark.parametrize(
    ('command', 'module'),
    [
        *product(('run', 'bag'), ('numpy', 'cv2', 'onnx', 'rosbags')),
        *product(('demo', 'play'), ('numpy', 'cv2', 'rosbags', 'tqdm')),
        *product(('info',), ('numpy', 'onnx')),
    ],
)
def test_commands__missing_library_is_one_sentence(
    panoptic, tmp_path, make_bag, scene, tiny_model, without, command, module
):
    words = [command, tiny_model if command == 'info' else make_bag([scene])]
    if command in ('run', 'bag', 'demo'):
        words += ['--out', tmp_path / 'out.mcap', '--model', tiny_model]
    done = panoptic(*words, **without(module))
    assert done.returncode == 2
    assert re.fullmatch(r'panoptic: error: [^\n]+\n', done.stderr), done.stderr
    assert 'not here' in done.stderr
    assert 'run `panoptic doctor`' in done.stderr


def test_doctor__missing_openvino_is_yellow(panoptic, tiny_model, without):
    done = panoptic('doctor', '--model', tiny_model, **without('openvino'))
    assert lines(done)['openvino'] == (
        'note',
        'cannot be imported (not here), so int8 files run slower and bf16 is not to be had: '
        "pip install openvino 'numpy>=1.26'",
    )
    assert lines(done)['model'][0] == 'ok'


@pytest.mark.skipif(not find_spec('openvino'), reason='openvino is missing')
def test_doctor__missing_onnxruntime_is_yellow_beside_openvino(panoptic, tiny_model, without):
    done = panoptic('doctor', '--model', tiny_model, **without('onnxruntime'))
    level, text = lines(done)['onnxruntime']
    assert level == 'note'
    assert text.startswith('cannot be imported (not here): pip install onnxruntime')
    level, text = lines(done)['model']
    assert (level, 'openvino CPU' in text) == ('ok', True)


def test_doctor__no_engine_at_all_is_red(panoptic, tiny_model, without):
    done = panoptic('doctor', '--model', tiny_model, **without('onnxruntime', 'openvino'))
    assert done.returncode == 1
    for subject in ('onnxruntime', 'openvino'):
        level, text = lines(done)[subject]
        assert level == 'FAIL'
        assert f'pip install {subject}' in text


def test_doctor__an_engine_that_does_not_start_is_told_with_the_model(
    panoptic, make_model, tmp_path
):
    broken = 'def Core():\n    raise RuntimeError("no plugin")\n__version__ = "1.0"\n'
    (tmp_path / 'openvino.py').write_text(broken)
    model = make_model(metadata={'panoptic.precision': '"int8"'})
    done = panoptic('doctor', '--model', model, PYTHONPATH=str(tmp_path))
    level, text = lines(done)['model']
    assert level == 'note'
    assert 'onnxruntime CPUExecutionProvider, int8' in text
    assert f'openvino cannot load {model}: no plugin' in text
    assert done.returncode == 0


def test_doctor__missing_ros_is_yellow_and_names_the_cure(panoptic, tiny_model, without):
    done = panoptic('doctor', '--model', tiny_model, **without('rclpy'))
    assert done.returncode == 0
    level, text = lines(done)['ROS 2']
    assert level == 'note'
    assert 'source /opt/ros/DISTRO/setup.bash' in text


@pytest.mark.parametrize('words', [('play', 'x.mcap'), ('demo', 'x.mp4', '--out', 'out')])
def test_play_and_demo__missing_ros_is_one_sentence(panoptic, without, words):
    done = panoptic(*words, **without('rclpy'))
    assert done.returncode == 2
    assert done.stderr.startswith('panoptic: error: this command needs ROS 2 (not here): source')
    assert len(done.stderr.splitlines()) == 1
