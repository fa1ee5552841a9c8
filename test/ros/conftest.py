# SPDX-License-Identifier: Apache-2.0
"""Real node processes and a peer that talks to them over real DDS."""

from __future__ import annotations

import importlib.util
import os
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (rclpy)')

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile

from panoptic_perception.ros.node_process import NodeProcess

DEADLINE_S = 40.0
COUNTS = ('results', 'dropped_newer', 'dropped_stale', 'invalid', 'failed', 'in_flight')


@pytest.fixture(scope='module', autouse=True)
def domain(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep the traffic of a test module on this machine and to itself."""
    key = f'{request.module.__name__} {os.getpid()}'.encode()
    wanted = {
        'ROS_DOMAIN_ID': str(1 + zlib.crc32(key) % 100),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Return a function that starts the node; its keywords are parameters."""
    nodes = []

    def start(*arguments: str, **parameters: object) -> NodeProcess:
        given = [f'{name}:={_yaml(value)}' for name, value in parameters.items()]
        options = [word for text in given for word in ('-p', text)]
        nodes.append(NodeProcess(tmp_path / f'node{len(nodes)}.log', [*options, *arguments]))
        return nodes[-1]

    yield start
    for node in nodes:
        node.kill()


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Peer:
    """The other end of every topic and service, spun while it waits."""

    def __init__(self) -> None:
        self.name = '/panoptic_perception'
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node('peer', context=self._context, use_global_arguments=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, object] = {}
        self.diagnostics = self.subscribe(DiagnosticArray, '/diagnostics')

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def subscribe(self, message_type: type, topic: str, *, latched: bool = False) -> list:
        """Return a list that grows with the messages of a topic."""
        received: list = []
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        profile = QoSProfile(depth=100, durability=durability)
        self.node.create_subscription(message_type, topic, received.append, profile)
        return received

    def publisher(self, message_type: type, topic: str, qos: QoSProfile | int = 100):
        return self.node.create_publisher(message_type, topic, qos)

    def wait(self, condition: Callable[[], object], what: str, timeout_s: float = DEADLINE_S):
        """Spin until the condition holds and return its value."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f'waited {timeout_s} s for {what}')
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def spin(self, duration_s: float) -> None:
        end = time.monotonic() + duration_s
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def call(self, service_type: type, service: str, request: object):
        if service not in self._clients:
            self._clients[service] = self.node.create_client(service_type, service)
        client = self._clients[service]
        self.wait(client.service_is_ready, service)
        future = client.call_async(request)
        self.wait(future.done, f'an answer of {service}')
        return future.result()

    def change_state(self, *transitions: str) -> bool:
        """Request transitions such as 'configure'; return whether the last one succeeded."""
        for name in transitions:
            request = ChangeState.Request()
            request.transition.id = getattr(Transition, f'TRANSITION_{name.upper()}')
            success = self.call(ChangeState, f'{self.name}/change_state', request).success
        return success

    def state(self) -> str:
        response = self.call(GetState, f'{self.name}/get_state', GetState.Request())
        return response.current_state.label

    def wait_active(self) -> None:
        """
        Wait until the node is active and knows the topics that the peer opened before.

        DDS announces in order: an answer to a client made later proves that they are known.
        """
        self.wait(lambda: self.state() == 'active', 'the node to be active')

    def set_parameters(self, **values: object) -> list[SetParametersResult]:
        request = SetParameters.Request(parameters=_parameters(values))
        return self.call(SetParameters, f'{self.name}/set_parameters', request).results

    def set_parameters_atomically(self, **values: object) -> SetParametersResult:
        request = SetParametersAtomically.Request(parameters=_parameters(values))
        service = f'{self.name}/set_parameters_atomically'
        return self.call(SetParametersAtomically, service, request).result

    def status(self, which: str = 'runtime') -> dict[str, str]:
        """Return the key-values of the newest status, {} before there is one."""
        for message in reversed(self.diagnostics):
            for status in message.status:
                if status.name == f'{self.name.lstrip("/")}: {which}':
                    return {item.key: item.value for item in status.values} | {
                        'message': status.message
                    }
        return {}

    def wait_counters(self, **expected: int) -> dict[str, int]:
        """Wait until the counters have these values, check the accounts and return them."""

        def reached() -> bool:
            status = self.status()
            return all(
                status.get(name.replace('__', '/')) == str(n) for name, n in expected.items()
            )

        try:
            self.wait(reached, f'counters {expected}')
        except TimeoutError as error:
            raise AssertionError(f'{error}, found {self.status()}') from None
        status = self.status()
        counters = {name: int(status[name]) for name in ('received', *COUNTS)}
        assert counters['received'] == sum(counters[name] for name in COUNTS)
        return counters


def _parameters(values: dict[str, object]) -> list:
    return [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture(scope='session')
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the tiny model at nine times the pixels: 0.1 s an image or more."""
    source = Path(__file__).parent.parent / 'conftest.py'
    spec = importlib.util.spec_from_file_location('tiny', source)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    path = tmp_path_factory.mktemp('models') / 'slow.onnx'
    onnx.save(tiny.build_tiny_model(height=1152, width=1920), path)
    return path


@pytest.fixture
def frames(scene: np.ndarray) -> list[np.ndarray]:
    """Return three different 1280x720 BGR images."""
    return [scene, np.roll(scene, 150, axis=1), scene[:, ::-1].copy()]
