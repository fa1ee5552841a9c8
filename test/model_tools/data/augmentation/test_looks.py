# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.data.augmentation.looks import (
    LOOKS,
    apply_looks,
    blur,
    colour,
    draw_looks,
    fog,
    glare,
    night,
    noise,
    rain,
)

WH = (160, 96)


def _pictures(n=2, seed=0):
    """Return (n, 3, H, W) pictures, smooth and with black and white in them."""
    small = torch.rand(n, 3, 6, 10, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(small, size=WH[::-1], mode='bilinear')
    return (large * 400 - 70).clamp(0, 255)


def _values(*values):
    return [torch.tensor(v, dtype=torch.float32).reshape(-1, 1, 1, 1) for v in values]


@given(st.sampled_from(sorted(LOOKS)), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_looks__keep_range_shape_and_input(name, seed):
    look = LOOKS[name]
    rng = np.random.default_rng(seed)
    drawn = rng.uniform(*np.transpose(look.ranges), (2, len(look.ranges)))
    pictures = _pictures(seed=seed)
    before = pictures.clone()
    changed = look.change(pictures, *_values(*drawn.T))
    assert torch.equal(pictures, before)
    assert changed.shape == before.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert not torch.equal(changed, before)


@pytest.mark.parametrize(
    ('change', 'parameters'),
    [
        (colour, (1, 1, 1, 1, 1)),
        (rain, (0, 20, 0.1, 0, 0)),
        (fog, (0, 200)),
        (glare, (0.5, 0.3, 0.1, 0)),
        (noise, (0, 0, 0)),
    ],
)
def test_looks__without_strength_they_change_nothing(change, parameters):
    pictures = _pictures()
    changed = change(pictures, *_values(*([p, p] for p in parameters)))
    torch.testing.assert_close(changed, pictures, atol=1e-3, rtol=0)


def test_colour__of_a_grey_picture():
    grey = torch.full((1, 3, 4, 4), 255 / 4)
    changed = colour(grey, *_values(2, 1.1, 1, 0.9, 1))
    np.testing.assert_allclose(changed[0, :, 0, 0], [17.53, 15.94, 14.34], atol=0.01)


def test_colour__no_saturation_is_grey():
    changed = colour(_pictures(), *_values(1, 1, 1, 1, 0))
    torch.testing.assert_close(changed[:, 0], changed[:, 2], atol=1e-3, rtol=0)


@pytest.mark.parametrize('darkness', [0.4, 0.7])
def test_night__darkens_the_whole_and_most_of_all_the_sky(darkness):
    flat = torch.full((1, 3, *WH[::-1]), 120.0)
    dark = night(flat, *_values(darkness, 1.5, 1.0, 0.5, 0.0))
    assert dark.mean() == pytest.approx(120 * (1 - darkness), rel=0.01)
    assert dark[0, :, 0].mean() < 0.4 * dark[0, :, 75].mean()
    assert not night(torch.zeros(1, 3, 96, 160), *_values(0.5, 1, 1, 0.5, 0)).any()


def test_rain__draws_bright_streaks_on_a_flatter_picture():
    dark = torch.full((1, 3, *WH[::-1]), 40.0)
    wet = rain(dark, *_values(1, 20, 0, 0, 0))[0, 0]
    ground = wet.median()
    assert 40 < ground < 80
    streaks = wet > ground + 20
    assert 0.005 < streaks.float().mean() < 0.15
    # They fall: neighbours below are far more often bright than neighbours beside.
    below = (streaks[1:] & streaks[:-1]).sum()
    beside = (streaks[:, 1:] & streaks[:, :-1]).sum()
    assert below > 1.5 * beside


def test_fog__hides_what_is_far_and_lifts_the_darkest():
    pictures = _pictures()
    changed = fog(pictures, *_values(1.2, 200))
    assert changed.min() > pictures.min()
    far, near = changed[:, :, 20], changed[:, :, 95]
    assert far.std() < near.std()
    # Below the horizon the transmission is exp(-1.2 * 0.1 / (0.1 + 0.575)).
    kept = np.exp(-1.2 * 0.1 / (0.1 + 95.5 / 96 - 0.42))
    expected = 200 + (pictures[:, :, 95] - 200) * kept
    torch.testing.assert_close(near, expected, atol=1e-2, rtol=0)


def test_glare__brightens_most_where_the_light_is():
    dark = torch.full((1, 3, *WH[::-1]), 30.0)
    light = glare(dark, *_values(0.25, 0.5, 0.1, 0.8)) - dark
    assert (light > 0).all()
    row, column = np.unravel_index(int(light[0, 0].argmax()), WH[::-1])
    assert (row, column) == (pytest.approx(48, abs=1), pytest.approx(40, abs=1))


def test_blur__of_a_dot_is_a_gaussian():
    dot = torch.zeros(1, 3, 31, 31)
    dot[..., 15, 15] = 255
    blurred = blur(dot, *_values(1.2))
    assert blurred.sum() == pytest.approx(3 * 255, rel=1e-4)
    steps = np.exp(-(np.arange(-4, 5.0) ** 2) / (2 * 1.2**2))
    expected = 255 * (steps / steps.sum())[None] * (steps / steps.sum())[:, None]
    np.testing.assert_allclose(blurred[0, 0, 11:20, 11:20], expected, atol=1e-3)


def test_noise__has_the_deviation_asked_for_and_no_bias():
    flat = torch.full((1, 3, *WH[::-1]), 128.0)
    field = noise(flat, *_values(8, 100, 40)) - flat
    assert field.std() == pytest.approx(8, rel=0.03)
    assert abs(field.mean()) < 0.2
    other = noise(flat, *_values(8, 101, 40)) - flat
    assert abs((field * other).mean() / 64) < 0.05


def test_draw_looks__as_often_as_asked():
    rng = np.random.default_rng(0)
    drawn = [draw_looks(TRAINING, rng) for _ in range(2000)]
    for name in LOOKS:
        share = np.mean([name in looks for looks in drawn])
        assert share == pytest.approx(getattr(TRAINING, name), abs=0.04)


def test_draw_looks__a_probability_leaves_the_other_looks_alone():
    def drawn(augmentation):
        return draw_looks(augmentation, np.random.default_rng(7))

    both = drawn(Augmentation(fog=1.0, jpeg=1.0))
    assert list(both) == ['fog', 'jpeg']
    assert drawn(Augmentation(jpeg=1.0)) == {'jpeg': both['jpeg']}


def test_apply_looks__each_picture_by_its_own():
    pictures = _pictures(3)
    before = pictures.clone()
    looks = [{'fog': [1.0, 200.0]}, {}, {'colour': [1.2, 1, 1, 1, 1], 'fog': [0.5, 180.0]}]
    apply_looks(pictures, looks)
    assert torch.equal(pictures[1], before[1])
    for i in (0, 2):
        alone = before[i : i + 1].clone()
        apply_looks(alone, looks[i : i + 1])
        torch.testing.assert_close(pictures[i : i + 1], alone)
