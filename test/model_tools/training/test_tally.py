# SPDX-License-Identifier: Apache-2.0
from model_tools.training.tally import add_step, means, speed


def test_tally__of_two_steps():
    tally = add_step({}, {'loss': 3.0, 'lane': 1.0}, seconds=1.5, input_seconds=0.5)
    tally = add_step(tally, {'loss': 2.0, 'lane': 0.0}, seconds=0.5, input_seconds=0.5)
    assert means(tally) == {'loss': 2.5, 'lane': 0.5}
    assert speed(tally, 8) == {'images_per_second': 8.0, 'seconds': 2.0, 'input_share': 0.5}
