# SPDX-License-Identifier: Apache-2.0
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from panoptic_perception.engines import load_engine
from panoptic_perception.ros.diagnostics import input_status, runtime_status
from panoptic_perception.runtime.counters import CounterSnapshot
from panoptic_perception.runtime.timings import TimingSummary

KEYS = [
    'received',
    'results',
    'dropped_newer',
    'dropped_stale',
    'invalid',
    'failed',
    'in_flight',
    'inference_p50_ms',
    'inference_p95_ms',
    'overhead_p50_ms',
    'overhead_p95_ms',
    'fps',
    'model',
    'engine',
    'provider',
    'precision',
    'threads',
    'note',
]
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def status_of(**changes):
    arguments = {
        'state': 'active',
        'trouble': '',
        'counters': CounterSnapshot(),
        'previous': CounterSnapshot(),
        'barren': (0.0, CounterSnapshot()),
        'timings': TimingSummary(),
        'engine': None,
    }
    return runtime_status('node: runtime', **(arguments | changes))


def values_of(status):
    return {item.key: item.value for item in status.values}


def test_runtime_status__before_anything():
    status = status_of(state='unconfigured')
    assert (status.name, status.level, status.hardware_id) == ('node: runtime', OK, '')
    assert [item.key for item in status.values] == KEYS
    assert values_of(status)['received'] == '0'
    assert values_of(status)['model'] == ''


def test_runtime_status__values(tiny_model):
    engine = load_engine(
        tiny_model,
        engine='onnxruntime',
        device='cpu',
        precision='int8',
        provider_policy='fallback',
        threads=1,
    )
    counters = CounterSnapshot(
        received=9,
        results=5,
        invalid=3,
        in_flight=1,
        invalid_reasons={'corrupt': 2, 'bad_step': 1},
    )
    status = status_of(
        engine=engine,
        counters=counters,
        previous=counters,
        timings=TimingSummary(fps=12.345),
    )
    assert status.hardware_id == f'tiny.onnx {engine.model.sha256[:12]}'
    assert [item.key for item in status.values] == [*KEYS, 'invalid/corrupt', 'invalid/bad_step']
    values = values_of(status)
    assert (values['received'], values['results'], values['in_flight']) == ('9', '5', '1')
    assert (values['invalid/corrupt'], values['fps']) == ('2', '12.35')
    assert (values['model'], values['engine'], values['threads']) == (
        'tiny.onnx',
        'onnxruntime',
        '1',
    )
    assert values['note'].startswith('onnxruntime on cpu in fp32 instead of')
    assert (status.level, status.message) == (WARN, f'active: {values["note"]}')


@pytest.mark.parametrize(
    ('now', 'before', 'trouble', 'level'),
    [
        ({}, {}, '', OK),
        ({'results': 9}, {}, '', OK),
        ({'results': 9, 'failed': 1}, {'failed': 1}, '', OK),
        ({'results': 9, 'failed': 1}, {}, '', WARN),
        ({'invalid': 1}, {}, '', WARN),
        ({'results': 3, 'failed': 2}, {'results': 3}, '', ERROR),
        ({'failed': 0}, {'failed': 5}, '', OK),
        ({}, {}, 'cannot configure: no file', ERROR),
    ],
)
def test_runtime_status__level(now, before, trouble, level):
    status = status_of(
        counters=CounterSnapshot(**now), previous=CounterSnapshot(**before), trouble=trouble
    )
    assert status.level == level
    assert status.message == trouble or status.message.startswith('active: ')


@pytest.mark.parametrize(
    ('now', 'message'),
    [
        ({'dropped_newer': 50, 'in_flight': 2}, 'the engine does not answer'),
        ({'failed': 9, 'invalid': 1}, 'the work on them fails'),
        ({'invalid': 9, 'failed': 1}, 'their messages hold no image that can be read'),
        ({'dropped_stale': 9}, 'they are too old, see max_age_ms'),
    ],
)
def test_runtime_status__images_but_no_results(now, message):
    before = CounterSnapshot(failed=1, dropped_newer=7)
    now = {name: count + getattr(before, name) for name, count in now.items()}
    counters = CounterSnapshot(**{**vars(before), **now})
    told = f'active: no result for 6 s although images arrive: {message}'
    for state, barren_s, level in (
        ('active', 6.0, ERROR),
        ('active', 4.9, OK),
        ('inactive', 9.0, OK),
    ):
        status = status_of(
            state=state, counters=counters, previous=counters, barren=(barren_s, before)
        )
        assert (status.level, status.message == told) == (level, level == ERROR)


@pytest.mark.parametrize(
    ('state', 'message'), [('active', 'active: 30.0 frames/s'), ('inactive', 'inactive')]
)
def test_runtime_status__rate_only_while_active(state, message):
    assert status_of(state=state, timings=TimingSummary(fps=30.0)).message == message


@pytest.mark.parametrize(
    ('topic', 'has_frame', 'diagnosis', 'level', 'message'),
    [
        ('', False, '', OK, 'not subscribed'),
        ('/image', False, '', OK, 'no image yet'),
        ('/image', True, '', OK, 'images arrive'),
        ('/image', True, 'start the camera', ERROR, 'start the camera'),
    ],
)
def test_input_status(topic, has_frame, diagnosis, level, message):
    status = input_status(
        'node: input',
        topic=topic,
        publishers=2,
        silence_s=0.25,
        has_frame=has_frame,
        diagnosis=diagnosis,
        engine=None,
    )
    assert (status.name, status.level, status.message) == ('node: input', level, message)
    assert values_of(status) == (
        {'topic': '/image', 'publishers': '2', 'silence_s': '0.2'} if topic else {}
    )
