# SPDX-License-Identifier: Apache-2.0
"""What the node tells about itself on /diagnostics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from panoptic_perception.engines.engine import Engine
from panoptic_perception.runtime.counters import CounterSnapshot
from panoptic_perception.runtime.timings import TimingSummary

BARREN_S = 5.0
"""For so long frames may come without a result before that is an error."""


def hardware_id(engine: Engine | None) -> str:
    """Name the model file that runs, '' before one is loaded."""
    return f'{engine.model.path.name} {engine.model.sha256[:12]}' if engine else ''


def runtime_status(
    name: str,
    *,
    state: str,
    trouble: str,
    counters: CounterSnapshot,
    previous: CounterSnapshot,
    barren: tuple[float, CounterSnapshot],
    timings: TimingSummary,
    engine: Engine | None,
) -> DiagnosticStatus:
    """
    Report counters, times and engine.

    Args:
        name: Name of the status.
        state: Lifecycle state of the node, with 'disabled' told apart.
        trouble: Why the last change of state failed or nothing can run, '' otherwise.
        counters: The accounts now.
        previous: The accounts at the last report.
        barren: For how long, s, frames came and none brought a result, and the accounts before.
        timings: Times of the last results.
        engine: The engine that runs, None before one is loaded.
    """
    note = engine.info.note if engine else ''
    fault = trouble or (_fault(counters, *barren) if state == 'active' else '')
    level, message = _judge(state, fault, note, counters, previous, timings)
    values = {
        **{key: value for key, value in vars(counters).items() if key != 'invalid_reasons'},
        **{key: f'{value:.2f}' for key, value in vars(timings).items()},
        'model': engine.model.path.name if engine else '',
        **dict.fromkeys(('engine', 'provider', 'precision', 'threads', 'note'), ''),
        **(dataclasses.asdict(engine.info) if engine else {}),
        **{f'invalid/{reason}': count for reason, count in counters.invalid_reasons.items()},
    }
    return _status(name, engine, level, message, values)


def _judge(
    state: str,
    fault: str,
    note: str,
    counters: CounterSnapshot,
    previous: CounterSnapshot,
    timings: TimingSummary,
) -> tuple[bytes, str]:
    # A reset between two reports makes the difference negative: nothing to complain about.
    failed = counters.failed - previous.failed
    invalid = counters.invalid - previous.invalid
    if fault:
        return DiagnosticStatus.ERROR, fault
    if failed > 0 and counters.results <= previous.results:
        return DiagnosticStatus.ERROR, f'{state}: all frames fail'
    if failed > 0 or invalid > 0:
        return DiagnosticStatus.WARN, f'{state}: {failed} frames failed, {invalid} invalid'
    if note:
        return DiagnosticStatus.WARN, f'{state}: {note}'
    rate = f': {timings.fps:.1f} frames/s' if state == 'active' else ''
    return DiagnosticStatus.OK, state + rate


def _fault(counters: CounterSnapshot, barren_s: float, before: CounterSnapshot) -> str:
    """Say what most images end in if none has brought a result for long, '' otherwise."""
    if barren_s < BARREN_S:
        return ''
    ends = {
        'the work on them fails': counters.failed - before.failed,
        'their messages hold no image that can be read': counters.invalid - before.invalid,
        'they are too old, see max_age_ms': counters.dropped_stale - before.dropped_stale,
    }
    worst = max(ends, key=lambda end: ends[end])
    why = worst if ends[worst] > 0 else 'the engine does not answer'
    return f'active: no result for {barren_s:.0f} s although images arrive: {why}'


def input_status(
    name: str,
    *,
    topic: str,
    publishers: int,
    silence_s: float,
    has_frame: bool,
    diagnosis: str,
    engine: Engine | None,
) -> DiagnosticStatus:
    """
    Report the camera.

    Args:
        name: Name of the status.
        topic: The topic that the node subscribes to, '' while it is not active.
        publishers: How many publish there.
        silence_s: Time since the last image.
        has_frame: Whether an image came yet.
        diagnosis: Why no image arrives and what to do, '' if images do, or may yet.
        engine: The engine that runs, None before one is loaded.
    """
    if not topic:
        return _status(name, engine, DiagnosticStatus.OK, 'not subscribed', {})
    level = DiagnosticStatus.ERROR if diagnosis else DiagnosticStatus.OK
    values = {'topic': topic, 'publishers': publishers, 'silence_s': f'{silence_s:.1f}'}
    message = diagnosis or ('images arrive' if has_frame else 'no image yet')
    return _status(name, engine, level, message, values)


def _status(
    name: str, engine: Engine | None, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    return DiagnosticStatus(
        name=name,
        level=level,
        message=message,
        hardware_id=hardware_id(engine),
        values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
    )
