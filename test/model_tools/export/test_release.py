# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from model_tools.export import release as module
from model_tools.export.parity import ParityError
from model_tools.export.release import release
from model_tools.settings import ConfigError
from model_tools.training.checkpoint import load_checkpoint, save_checkpoint
from model_tools.training.config import TrainingConfig
from model_tools.training.trainer import train
from panoptic_perception.engines import read_model, shipped_models


@pytest.fixture(scope='module')
def checkpoint(road_folder, small_network, tmp_path_factory):
    config = TrainingConfig(
        data=str(road_folder),
        input_wh=(160, 96),
        epochs=1,
        batch_size=4,
        network=small_network,
    )
    return train(config, tmp_path_factory.mktemp('run'))


def test_release__without_holdout_at_another_size_keeps_neutral_thresholds(
    checkpoint, road_folder, tmp_path
):
    out = tmp_path / 'net.onnx'
    record, parity = release(checkpoint, road_folder, out, input_wh=(192, 128))
    model = read_model(out)
    assert model.input_wh == (192, 128)
    assert vars(model.thresholds) == module.NEUTRAL
    assert model.metrics['protocol'] == 'dataset'
    assert model.metrics['split'] == 'val'
    assert set(model.metrics['scores']) == {'toy', 'all'}
    assert model.metrics['scores']['all']['images'] == record['data']['images'] == 2
    assert record['model']['thresholds'] == module.NEUTRAL
    assert parity.images == 2  # all that there are
    assert parity.holds()
    assert list(tmp_path.iterdir()) == [out]


def test_release__good_file_survives_one_that_differs(
    checkpoint, road_folder, tmp_path, monkeypatch
):
    out = tmp_path / 'net.onnx'
    out.write_bytes(b'the good one')
    write = module.write_model_file

    def write_then_change(net, path, **options):
        write(net, path, **options)
        with torch.no_grad():
            net.drivable.logit.bias.add_(0.5)

    monkeypatch.setattr(module, 'write_model_file', write_then_change)
    with pytest.raises(ParityError):
        release(checkpoint, road_folder, out)
    assert out.read_bytes() == b'the good one'
    assert list(tmp_path.iterdir()) == [out]


def test_release__labels_of_the_run_that_are_not_the_networks(checkpoint, road_folder, tmp_path):
    state = load_checkpoint(checkpoint)
    state['training']['label_set'] = 'vehicle'
    path, out = tmp_path / 'other.pt', tmp_path / 'net.onnx'
    save_checkpoint(path, state)
    message = r"other\.pt': network.labels are \['vehicle', .*\], but label_set 'vehicle' has"
    with pytest.raises(ConfigError, match=message):
        release(path, road_folder, out)
    assert not out.exists()


def test_shipped_models__small_together():
    assert sum(path.stat().st_size for path in shipped_models()) <= 20_000_000


@pytest.mark.parametrize('path', shipped_models(), ids=lambda path: path.stem)
def test_shipped_model__says_where_it_comes_from_and_how_good_it_is(path):
    model = read_model(path)
    assert {'data', 'checkpoint_sha256', 'warm_start', 'holdout_groups'} <= set(model.provenance)
    scores = model.metrics['scores']
    assert scores['cityscapes']['ap50']['vehicle'] >= 0.40
    assert scores['cityscapes']['drivable_iou'] >= 0.90
    assert scores['camvid']['drivable_iou'] >= 0.90
    assert scores['all']['lane_iou'] >= 0.35
