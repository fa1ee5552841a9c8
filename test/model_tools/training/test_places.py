# SPDX-License-Identifier: Apache-2.0
from model_tools.compression.distillation import Distillation
from model_tools.settings import plain_values
from model_tools.training.config import TrainingConfig
from model_tools.training.places import without_folders


def test_without_folders__names_of_all_paths():
    config = TrainingConfig(
        data='/a/roads',
        start='/b/s.pt',
        distillation=Distillation('/c/t.pt', unlabelled='/d/more'),
    )
    values = without_folders(config.to_dict())
    assert (values['data'], values['start'], values['cache']) == ('roads', 's.pt', '')
    assert values['distillation']['teacher'] == 't.pt'
    assert values['distillation']['unlabelled'] == 'more'
    assert values['network'] == plain_values(config.network.to_dict())
