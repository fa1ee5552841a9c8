# SPDX-License-Identifier: Apache-2.0
import re
import shutil
import weakref

import numpy as np
import pytest

from panoptic_perception.engines import (
    EngineError,
    EngineOutputError,
    ModelFileError,
    RecoveringEngine,
    load_engine,
)
from panoptic_perception.engines.recovering import FAILURES, PAUSE_S

GOOD = np.zeros((1, 384, 640, 3), np.uint8)
RED = np.full((1, 384, 640, 3), (0, 0, 255), np.uint8)


class Bench:
    """A recovering engine, and what the test may change and see of it."""

    def __init__(self, path):
        self.path = path
        self.options = [{'engine': 'onnxruntime'}]
        self.losses = []
        self.outages = []
        self.now = 0.0
        self.loaded = 0
        self.engine = RecoveringEngine(
            self.load, on_loss=self.losses.append, clock=lambda: self.now
        )

    def load(self):
        self.loaded += 1
        if self.loaded > 1:
            self.outages.append(self.engine.outage)
        return load_engine(self.path, device='cpu', **self.options[-1])

    def fail(self, times, words='out of data bounds'):
        for _ in range(times):
            with pytest.raises(EngineError, match=words):
                self.engine.run(RED)


@pytest.fixture
def bench(make_model):
    return Bench(make_model(fails_on_red_corner=True))


def test_load__what_cannot_be_loaded_at_first(tmp_path):
    with pytest.raises(ModelFileError, match=r'none\.onnx'):
        RecoveringEngine(lambda: load_engine(tmp_path / 'none.onnx'), on_loss=pytest.fail)


def test_run__as_the_engine_itself(bench, tiny_model):
    assert bench.engine.info == load_engine(tiny_model, engine='onnxruntime', device='cpu').info
    assert bench.engine.model.path == bench.path
    assert bench.engine.warm_up() > 0
    np.testing.assert_array_equal(bench.engine.run(GOOD).lane, GOOD[..., 0])
    assert (bench.loaded, bench.losses) == (1, [])


def test_run__single_failures_are_of_their_images(bench):
    for _ in range(3):
        bench.fail(FAILURES - 1)
        assert len(bench.engine.run(GOOD).scores) == 0
    assert (bench.loaded, bench.losses) == (1, [])


def test_run__loads_again_after_failures_in_a_row(bench):
    bench.fail(FAILURES)
    assert (bench.loaded, bench.losses) == (1, [])
    assert bench.engine.run(GOOD).lane.shape == (1, 384, 640)
    assert bench.loaded == 2
    assert len(bench.losses) == 1
    assert (bench.engine.info.note, bench.engine.outage) == (bench.losses[0], '')
    assert f'onnxruntime CPUExecutionProvider has failed {FAILURES} times: ' in bench.losses[0]
    assert bench.losses[0].endswith('; loaded again, now onnxruntime CPUExecutionProvider fp32')
    assert bench.engine.model.path == bench.path


def test_run__what_fails_on_every_image_is_loaded_again_only_after_a_pause(bench):
    for second in (0.0, PAUSE_S - 0.1, PAUSE_S):
        bench.now = second
        bench.fail(10)
    assert bench.loaded == 3
    assert len(bench.losses) == 2


def test_run__outputs_of_no_use_are_answers(make_model):
    bench = Bench(make_model(box_factor=float('nan')))
    image = GOOD.copy()
    image[0, 100:200, 100:200] = (0, 0, 255)
    for _ in range(2 * FAILURES):
        with pytest.raises(EngineOutputError):
            bench.engine.run(image)
    assert bench.loaded == 1


def test_recover__with_what_the_policy_finds_then(bench):
    pytest.importorskip('openvino', reason='openvino is missing')
    bench.options.append({'engine': 'openvino'})
    bench.fail(FAILURES)
    bench.engine.run(GOOD)
    assert bench.engine.info.engine == 'openvino'
    assert bench.losses[0].endswith('; loaded again, now openvino CPU fp32')


def test_recover__tries_again_after_a_pause(bench):
    bench.options.append({'engine': 'tensorflow'})
    bench.fail(FAILURES)
    bench.fail(5, 'it cannot be loaded again: ')
    assert bench.loaded == 2
    assert bench.engine.info.note == bench.engine.outage == bench.losses[0]
    bench.now = PAUSE_S
    bench.fail(1, 'it cannot be loaded again: ')
    assert bench.loaded == 3
    bench.options.pop()
    bench.now = 2 * PAUSE_S
    assert len(bench.engine.run(GOOD).scores) == 0
    assert bench.loaded == 4
    for loss in bench.losses:  # the first one, not that nothing runs
        assert loss.count('has failed 3 times: ') == loss.count('out of data bounds') == 1
    assert 'loaded again, now onnxruntime' in bench.losses[-1]
    assert bench.engine.run(GOOD).lane.shape == (1, 384, 640)


def test_recover__not_with_another_model(bench, tiny_model):
    shutil.copy(tiny_model, bench.path)
    bench.fail(FAILURES)
    bench.fail(1, 'model.onnx holds another model now: configure the node again')
    assert (bench.loaded, len(bench.losses)) == (1, 1)


def test_recover__not_with_a_model_that_comes_while_it_is_loaded(bench, tiny_model, monkeypatch):
    load = bench.load
    monkeypatch.setattr(
        bench.engine, '_load', lambda: shutil.copy(tiny_model, bench.path) and load()
    )
    bench.fail(FAILURES)
    bench.fail(1, 'model.onnx holds another model now: configure the node again')
    assert (bench.loaded, len(bench.losses)) == (2, 1)


def test_recover__after_an_error_of_any_kind(bench, monkeypatch):
    def broken_disk():
        raise OSError('Input/output error')

    monkeypatch.setattr(bench.engine, '_load', broken_disk)
    bench.fail(FAILURES)
    bench.fail(5, 'cannot be loaded again: Input/output error')
    assert len(bench.losses) == 1


def test_recover__lets_the_lost_engine_go_first(bench, monkeypatch):
    lost = weakref.ref(bench.engine._engine)
    alive = []
    load = bench.load
    monkeypatch.setattr(bench.engine, '_load', lambda: alive.append(lost()) or load())
    bench.fail(FAILURES)
    assert lost() is not None
    bench.engine.run(GOOD)
    assert alive == [None]


def test_close__loads_and_tells_nothing_more(bench, monkeypatch):
    bench.fail(FAILURES)
    bench.engine.close()
    bench.fail(1)
    assert (bench.loaded, bench.losses) == (1, [])


def test_close__while_it_is_loaded(bench, monkeypatch):
    load = bench.load
    monkeypatch.setattr(bench.engine, '_load', lambda: bench.engine.close() or load())
    bench.fail(FAILURES)
    bench.engine.run(GOOD)
    assert (bench.loaded, bench.losses) == (2, [])


def test_outage__while_it_is_loaded_again(bench):
    for _ in range(2):
        bench.fail(FAILURES)
        bench.now += PAUSE_S
        bench.engine.run(GOOD)
    told = 'has failed 3 times: .*; it is being loaded again$'
    assert len(bench.outages) == 2
    for outage in bench.outages:
        assert re.search(told, outage, re.DOTALL)
    assert bench.engine.outage == ''
