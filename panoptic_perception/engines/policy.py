# SPDX-License-Identifier: Apache-2.0
"""Decide what runs a model file: what is wished for, what it holds, what can be had here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from panoptic_perception.engines.engine import EngineError

AUTO = 'auto'
STRICT = 'strict'
ENGINES = (AUTO, 'onnxruntime', 'openvino')
DEVICES = (AUTO, 'cpu', 'cuda', 'tensorrt')
PRECISIONS = (AUTO, 'fp32', 'bf16', 'fp16', 'int8', 'int8-bf16')
PROVIDER_POLICIES = (STRICT, 'fallback')


class Way(NamedTuple):
    """One way to run a network."""

    engine: str
    device: str
    precision: str


# All ways, best first, each with the precisions of the model files that it runs.
# In fp32 on a CPU ONNX Runtime is as fast as OpenVINO on the shipped networks or faster, starts
# faster and is the reference. Missing: fp32 of TensorRT because it would be TF32 on recent GPUs,
# bf16 and fp16 on the CPU of ONNX Runtime because they are fp32. 'int8-bf16' is an int8 file whose
# layers in float are computed in bf16.
WAYS: dict[Way, tuple[str, ...]] = {
    Way('onnxruntime', 'cuda', 'fp32'): ('fp32',),
    Way('onnxruntime', 'cuda', 'fp16'): ('fp16',),
    Way('onnxruntime', 'cpu', 'fp32'): ('fp32',),
    Way('openvino', 'cpu', 'fp32'): ('fp32',),
    Way('openvino', 'cpu', 'int8'): ('int8',),
    Way('openvino', 'cpu', 'int8-bf16'): ('int8',),
    Way('openvino', 'cpu', 'bf16'): ('fp32',),
    Way('onnxruntime', 'cpu', 'int8'): ('int8',),
    Way('onnxruntime', 'tensorrt', 'fp16'): ('fp32', 'fp16'),
}


@dataclass(frozen=True)
class Wish:
    """
    What is asked for; 'auto' takes the best there is.

    The precision 'auto' is that of the model file, and fp16 on TensorRT, which runs in no other.

    Raises:
        EngineError: A word is not known.

    """

    engine: str = AUTO
    device: str = AUTO
    precision: str = AUTO
    provider_policy: str = STRICT

    def __post_init__(self) -> None:
        known = {
            'engine': ENGINES,
            'device': DEVICES,
            'precision': PRECISIONS,
            'provider_policy': PROVIDER_POLICIES,
        }
        for name, value in vars(self).items():
            if value not in known[name]:
                raise EngineError(f'{name} must be one of {", ".join(known[name])}, got {value!r}')

    def __str__(self) -> str:
        return f'engine {self.engine}, device {self.device}, precision {self.precision}'

    def ways(self) -> list[Way]:
        """Return the ways that may be taken, best first."""
        # TensorRT builds for minutes, which must be asked for.
        return [way for way in WAYS if way.device != 'tensorrt' or self.device == 'tensorrt']

    def count_met(self, way: Way, held: str) -> int:
        """Count how many of the three wishes a way meets with a model file of precision `held`."""
        return (
            (self.engine in (AUTO, way.engine))
            + (self.device in (AUTO, way.device))
            + (way.precision == self.wanted_precision(held, way.device))
        )

    def wanted_precision(self, held: str, device: str) -> str:
        """Return the precision wished for on a device with a model file of precision `held`."""
        if self.precision != AUTO:
            return self.precision
        return 'fp16' if device == 'tensorrt' else held


def precisions_of(held: str, *, engine: str, device: str) -> list[str]:
    """Return in what an engine runs a model file of precision `held` on a device, best first."""
    ways = [way for way in Wish(engine, device).ways() if held in WAYS[way]]
    suits = [w for w in ways if engine in (AUTO, w.engine) and device in (AUTO, w.device)]
    return list(dict.fromkeys(way.precision for way in suits))


def choose(wish: Wish, held: str, obstacle: Callable[[Way], str]) -> tuple[Way, str]:
    """
    Return the best way to run a model file of precision `held`, and a note.

    `obstacle(way)` says why a way cannot be had here, '' if it can. The note says what runs
    instead of the wish and why, '' if the wish is met.

    Raises:
        EngineError: The wish cannot be met and is strict, or nothing runs the file here.

    """
    suitable = [way for way in wish.ways() if held in WAYS[way]]
    for way in suitable:
        if wish.count_met(way, held) == 3 and not obstacle(way):
            return way, ''
    reason = _reason(wish, held, obstacle)
    if wish.provider_policy == STRICT:
        raise EngineError(reason)
    possible = [way for way in suitable if not obstacle(way)]
    if not possible:
        raise EngineError(reason)
    way = max(possible, key=lambda way: wish.count_met(way, held))  # the first of equals
    return way, f'{way.engine} on {way.device} in {way.precision} instead of {wish}: {reason}'


def _reason(wish: Wish, held: str, obstacle: Callable[[Way], str]) -> str:
    """Say which of the wishes cannot be met, and what would help."""
    ways = [
        way
        for way in wish.ways()
        if wish.engine in (AUTO, way.engine) and wish.device in (AUTO, way.device)
    ]
    if not ways:
        return f'{wish.engine} does not run on {wish.device}'
    precision = wish.wanted_precision(held, wish.device)
    precise = [way for way in ways if way.precision == precision]
    if not precise:
        runs = _alternatives(way.precision for way in ways if held in WAYS[way])
        files = _alternatives(file for way in ways for file in WAYS[way])
        cure = f'choose precision {runs}' if runs else f'choose a model file of {files}'
        return f'a model file of {held} does not run in {precision} there: {cure}'
    suitable = [way for way in precise if held in WAYS[way]]
    if not suitable:
        files = _alternatives(file for way in precise for file in WAYS[way])
        return f'precision {precision} needs a model file of {files}, and this one holds {held}'
    return '; '.join(dict.fromkeys(map(obstacle, suitable)))


def _alternatives(words: Iterable[str]) -> str:
    return ' or '.join(dict.fromkeys(words))
