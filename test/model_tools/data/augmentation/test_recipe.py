# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from model_tools.data.augmentation import TRAINING, Augmentation
from model_tools.data.augmentation.copy_paste import Clippings
from model_tools.data.augmentation.recipe import MOST_PASTES, draw_recipe

WH = (160, 96)
ORDER = np.array([7, 3, 3, 9])
NOTHING = Clippings([], [])


def _draw(augmentation, seed=0, position=1, clippings=NOTHING):
    rng = np.random.default_rng(seed)
    return draw_recipe(
        ORDER, position, augmentation, rng, fit=np.eye(3), network_wh=WH, clippings=clippings
    )


def test_draw_recipe__default_changes_nothing():
    (tile,) = _draw(Augmentation()).tiles
    assert tile.sample == 3
    assert tile.region == (0, 0, *WH)
    np.testing.assert_array_equal(tile.matrix, np.eye(3))


def test_draw_recipe__mosaic_of_the_epochs_samples():
    recipes = [_draw(Augmentation(mosaic=1.0), seed, position=0) for seed in range(50)]
    assert all(len(recipe.tiles) == 4 for recipe in recipes)
    assert {recipe.tiles[0].sample for recipe in recipes} == {7}
    assert {tile.sample for recipe in recipes for tile in recipe.tiles} == {7, 3, 9}
    assert all(side % 2 == 0 for r in recipes for tile in r.tiles for side in tile.region)


def test_draw_recipe__mosaic_places_what_is_already_changed():
    fit, order = np.diag([0.5, 0.5, 1.0]), np.array([0])
    flipped = Augmentation(mosaic=1.0, flip=1.0)
    rng = np.random.default_rng(0)
    recipe = draw_recipe(order, 0, flipped, rng, fit=fit, network_wh=WH, clippings=NOTHING)
    for tile in recipe.tiles:
        x1, y1, x2, y2 = tile.region
        (right, left), (top, bottom), _ = tile.matrix @ [[0, 320], [0, 192], [1, 1]]
        assert left <= x1 < x2 <= right
        assert top <= y1 < y2 <= bottom


def test_draw_recipe__as_often_as_asked():
    mosaics = [len(_draw(TRAINING, seed).tiles) == 4 for seed in range(1000)]
    assert np.mean(mosaics) == pytest.approx(TRAINING.mosaic, abs=0.05)


def test_draw_recipe__pastes_lie_over_the_picture():
    clippings = Clippings([np.array([5])], [np.array([[20.0, 30, 40, 60]])])
    recipes = [
        _draw(Augmentation(copy_paste=1.0), seed, clippings=clippings) for seed in range(60)
    ]
    assert {len(recipe.tiles) - 1 for recipe in recipes} == set(range(1, MOST_PASTES + 1))
    for recipe in recipes:
        assert (recipe.tiles[0].sample, recipe.tiles[0].region) == (3, (0, 0, *WH))
        assert {tile.sample for tile in recipe.tiles[1:]} == {5}


def test_draw_recipe__nothing_to_paste():
    assert len(_draw(Augmentation(copy_paste=1.0)).tiles) == 1
