# SPDX-License-Identifier: Apache-2.0
"""Run the real node as a process of its own, out of the way of everything else on the network."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import disk_usage

# The profile takes 64 MiB for each of three participants: node, player and recorder.
_SHARED_MEMORY_BYTES = 256 * 2**20
_END_S = 30.0


class NodeProcessError(RuntimeError):
    """The node ended, or did not end, as it should."""


class NodeProcess:
    """The node as its own process, started at once; its log is collected in a file."""

    def __init__(self, log: Path, arguments: Sequence[str]) -> None:
        self._log = log
        with log.open('wb') as file:
            self._process = subprocess.Popen(
                [sys.executable, '-m', 'panoptic_perception.ros.node', '--ros-args', *arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        """What the node has printed."""
        return self._log.read_text(errors='replace')

    @property
    def last_line(self) -> str:
        """The last line that the node printed."""
        lines = self.log.strip().splitlines()
        return lines[-1] if lines else 'it printed nothing'

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def check_running(self) -> None:
        """Raise `NodeProcessError` with the last words of a node that has ended."""
        if not self.running:
            raise NodeProcessError(
                f'the node ended with exit code {self._process.returncode}: {self.last_line}'
            )

    def wait(self) -> int:
        """Wait for the end and return the exit code; raise `NodeProcessError` if it lives on."""
        try:
            return self._process.wait(_END_S)
        except subprocess.TimeoutExpired as error:
            raise NodeProcessError(f'the node did not end within {_END_S:.0f} s') from error

    def stop(self, signal_number: int = signal.SIGINT) -> int:
        """Ask the node to end, as Ctrl-C does, and return the exit code."""
        self._process.send_signal(signal_number)
        return self.wait()

    def kill(self) -> None:
        """End the node by force if it still runs."""
        self._process.kill()
        self._process.wait()


@contextmanager
def node_process(
    *, image_topic: str, compressed: bool, model: Path | None, log: Path
) -> Iterator[NodeProcess]:
    """
    Start the node; it never outlives the block.

    Args:
        image_topic: Topic of raw images; compressed ones come on IMAGE_TOPIC/compressed.
        compressed: Which of the two the node subscribes to.
        model: Model file; None means the shipped one.
        log: File for what the node prints.
    """
    parameters = {
        'image_transport': 'compressed' if compressed else 'raw',
        # A drive of raw images would lose most of them as best effort on default DDS settings.
        'image_reliability': 'reliable',
        'image_depth': 5,
        # On two cores the recorder must not take the time that the network needs.
        'mask_resolution': 'model',
    }
    if model is not None:
        parameters['model'] = str(model.resolve())
    arguments = ['-r', f'image:={image_topic}']
    for name, value in parameters.items():
        arguments += ['-p', f'{name}:={json.dumps(value)}']
    node = NodeProcess(log, arguments)
    try:
        yield node
    finally:
        node.kill()


def isolate() -> None:
    """
    Give this process and its children a ROS domain of their own on this machine.

    They talk by shared memory where it is large enough: with the defaults of DDS, masks get lost
    now and then on a busy machine.
    """
    os.environ['ROS_DOMAIN_ID'] = str(_free_domain())
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    for profile in _shared_memory_profiles():
        os.environ.setdefault(_profile_variable(), str(profile))


def _free_domain() -> int:
    """Return a ROS domain that nobody on this machine uses."""
    # Up to 101: higher domains use ports that Linux hands out to others.
    domains = random.sample(range(1, 102), 101)
    for domain in domains:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                # The port of the first DDS participant of a domain.
                probe.bind(('', 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    return domains[0]


def _profile_variable() -> str:
    """Return the variable that names the DDS profile; newer distributions warn of the older."""
    older = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    return f'{"FASTRTPS" if older else "FASTDDS"}_DEFAULT_PROFILES_FILE'


def _shared_memory_profiles() -> Iterator[Path]:
    """Yield where the DDS profile for big messages is installed, if memory allows to use it."""
    if not os.path.isdir('/dev/shm') or disk_usage('/dev/shm').free < _SHARED_MEMORY_BYTES:
        return
    prefixes = [*os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep), sys.prefix]
    folders = [Path(prefix) / 'share' / 'panoptic_perception' for prefix in prefixes if prefix]
    source_tree = Path(__file__).parents[2]
    for folder in [*folders, source_tree]:
        if (folder / 'config' / 'fastdds_shm.xml').is_file():
            yield folder / 'config' / 'fastdds_shm.xml'
