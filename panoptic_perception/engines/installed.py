# SPDX-License-Identifier: Apache-2.0
"""Say what a way to run a network lacks on this machine."""

from __future__ import annotations

from panoptic_perception.engines.nvidia import gpu_name
from panoptic_perception.engines.policy import Way
from panoptic_perception.engines.quiet_openvino import import_openvino, openvino_core


def obstacle(way: Way) -> str:
    """Return why a way cannot be had here, with the cure; '' if nothing is known against it."""
    if way.engine == 'openvino':
        return _openvino_obstacle(way.precision)
    return _onnxruntime_obstacle(way.device)


def _openvino_obstacle(precision: str) -> str:
    try:
        import_openvino()
    except ImportError as error:
        return f'openvino cannot be loaded ({error}): pip install openvino'
    if 'bf16' not in precision:
        return ''
    try:
        abilities = openvino_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    except Exception as error:  # OpenVINO's errors share no narrower base
        return f'openvino does not start ({error}): pip install --force-reinstall openvino'
    return '' if 'BF16' in abilities else 'this CPU has no bf16: choose precision auto'


def _onnxruntime_obstacle(device: str) -> str:
    # Asked first: it is cheap, and the usual answer where nobody named a device.
    if device != 'cpu' and not gpu_name():
        return f'device {device} needs an NVIDIA GPU and its driver, and none was found'
    try:
        from panoptic_perception.engines.onnxruntime_engine import PROVIDERS, available_providers
    except ImportError as error:
        return f'onnxruntime cannot be loaded ({error}): pip install onnxruntime'
    if PROVIDERS[device] not in available_providers():
        return (
            f'this onnxruntime has no {PROVIDERS[device]}:'
            ' pip uninstall onnxruntime && pip install onnxruntime-gpu'
        )
    return ''
