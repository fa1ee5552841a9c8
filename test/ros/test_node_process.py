# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from contextlib import ExitStack

import pytest

from panoptic_perception.ros import node_process as subject
from panoptic_perception.ros.node_process import NodeProcess, NodeProcessError, isolate

PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Start without a DDS profile, and take back what `isolate` sets."""
    for name in PROFILES:
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)


@pytest.fixture
def profile(monkeypatch, tmp_path):
    """Return the path of an installed DDS profile, on a machine with enough shared memory."""
    path = tmp_path / 'share' / 'panoptic_perception' / 'config' / 'fastdds_shm.xml'
    path.parent.mkdir(parents=True)
    path.touch()
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    set_shared_memory(monkeypatch, 2**30)
    return path


def set_shared_memory(monkeypatch, free):
    usage = shutil._ntuple_diskusage(2**31, 2**31 - free, free)
    monkeypatch.setattr(subject, 'disk_usage', lambda _: usage)


def test_isolate__takes_the_one_domain_that_is_free(profile):
    with ExitStack() as stack:
        taken = {}
        for domain in range(1, 102):
            probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                probe.bind(('', 7410 + 250 * domain))
            except OSError:  # somebody else's
                continue
            taken[domain] = probe
        free, probe = taken.popitem()
        probe.close()
        isolate()
    assert os.environ['ROS_DOMAIN_ID'] == str(free)
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


@pytest.mark.parametrize(
    ('distribution', 'variable'),
    [('humble', PROFILES[1]), ('jazzy', PROFILES[1]), ('kilted', PROFILES[0]), ('', PROFILES[0])],
)
def test_isolate__names_the_profile_as_the_distribution_wants(
    monkeypatch, profile, distribution, variable
):
    monkeypatch.setenv('ROS_DISTRO', distribution)
    isolate()
    found = {name: os.environ[name] for name in PROFILES if name in os.environ}
    assert found == {variable: str(profile)}


def test_isolate__keeps_the_profile_of_the_user(monkeypatch, profile):
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    monkeypatch.setenv(PROFILES[0], '/my/profile.xml')
    isolate()
    assert os.environ[PROFILES[0]] == '/my/profile.xml'


def test_isolate__little_shared_memory_is_left_alone(monkeypatch, profile):
    set_shared_memory(monkeypatch, 2**26)
    isolate()
    assert not {*PROFILES} & set(os.environ)


def test_node_process__tells_the_last_words_of_a_node_that_ended(tmp_path):
    node = NodeProcess(tmp_path / 'node.log', ['-p', 'no such syntax'])
    assert node.wait() != 0
    assert not node.running
    with pytest.raises(NodeProcessError, match='the node ended with exit code') as error:
        node.check_running()
    assert str(error.value).endswith(node.log.strip().splitlines()[-1])


def test_node_process__never_outlives_its_block(tmp_path, monkeypatch):
    sleeper = tmp_path / 'python'
    sleeper.write_text('#!/bin/sh\nexec sleep 60\n')
    sleeper.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(sleeper))
    options = {'image_topic': '/image', 'compressed': False, 'model': None}
    with subject.node_process(**options, log=tmp_path / 'node.log') as node:
        node.check_running()
    assert not node.running
    assert node.wait() == -signal.SIGKILL
