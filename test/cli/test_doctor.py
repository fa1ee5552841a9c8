# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

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
    for subject in ('Python', 'numpy', 'cv2', 'onnx', 'rosbags', 'onnxruntime', 'model'):
        assert rows[subject][0] == 'ok'
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


def test_doctor__missing_ros_is_yellow_and_names_the_cure(panoptic, tmp_path, tiny_model):
    broken = tmp_path / 'rclpy'
    broken.mkdir()
    (broken / '__init__.py').write_text('raise ImportError("no ROS here")\n')
    done = panoptic('doctor', '--model', tiny_model, PYTHONPATH=str(tmp_path))
    assert done.returncode == 0
    level, text = lines(done)['ROS 2']
    assert level == 'note'
    assert 'source /opt/ros/DISTRO/setup.bash' in text


def test_play_and_demo__missing_ros_is_one_sentence(panoptic, tmp_path):
    broken = tmp_path / 'rclpy'
    broken.mkdir()
    (broken / '__init__.py').write_text('raise ImportError("no ROS here")\n')
    for words in (('play', 'x.mcap'), ('demo', 'x.mp4', '--out', tmp_path / 'out')):
        done = panoptic(*words, PYTHONPATH=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr.startswith('panoptic: error: this command needs ROS 2')
        assert len(done.stderr.splitlines()) == 1
