# SPDX-License-Identifier: Apache-2.0
"""Let a network learn the features of a teacher beside its tasks.

No head takes part, so that heads may differ; losses of the heads' answers are there to compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from model_tools.compression.adapters import Answer
from model_tools.compression.distillation_losses import (
    box_quality_loss,
    feature_loss,
    mask_logit_loss,
)
from model_tools.compression.taps import Taps
from model_tools.networks.panoptic_net import PanopticNet
from model_tools.settings import PATH, ConfigError, broken, for_fields, number, one_of
from model_tools.training.losses import Reduce

SHARE = 0.2
"""Of the distillation in the loss of the tasks at the first step, if no weight is given."""
LEAST_DISTANCE = 0.01
"""Below it a student is as good as its teacher, and the share would ask for a huge weight."""


@dataclass(frozen=True)
class Distillation:
    """What to learn from a teacher, and how."""

    teacher: str = ''
    """Checkpoint or weights file of a network with our labels and input; must be set."""
    weight: float = 0.0
    """Of the distillation in the loss; 0: such that it has SHARE of that of the tasks at first."""
    adapters: Literal['selection', 'random'] = 'selection'
    """How adapters begin: 'selection' is for a `start` that was pruned from the teacher."""
    mask_logits: float = 0.0
    """Share of the masks' logits relative to the features, for comparison; 0: off."""
    box_quality: float = 0.0
    """The same of the scores of boxes."""
    unlabelled: str = ''
    """Folder or tar of images that come in each epoch beside the data; empty: none."""

    def __post_init__(self) -> None:
        if wrong := broken(self, _RULES, 'distillation.'):
            raise ConfigError(f'settings out of range: {"; ".join(wrong)}')

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Distillation:
        """Return settings; a key that is none is refused by name."""
        return cls(**for_fields(values, cls, 'distillation'))


_RULES = {
    'teacher': PATH,
    'weight': number(0),
    'adapters': one_of('selection', 'random'),
    'mask_logits': number(0),
    'box_quality': number(0),
    'unlabelled': PATH,
}


class Distiller:
    """A teacher, the adapters of its student, and the weight that its lessons have."""

    def __init__(
        self, settings: Distillation, teacher: PanopticNet, adapters: nn.ModuleDict
    ) -> None:
        self.settings = settings
        self.teacher = teacher.eval().requires_grad_(False)
        self.adapters = adapters
        self._weight = float(settings.weight)

    def ask(self, images: Tensor) -> Answer:
        """Return what the teacher says of images, (N, 3, H, W) float."""
        with torch.no_grad(), Taps(self.teacher) as features:
            output = self.teacher(images)
        return Answer(output, features)

    def distance(self, student: Answer, teacher: Answer, *, reduce: Reduce) -> Tensor:
        """Return how far a student's answer is from its teacher's, a scalar."""
        own, wanted, settings = student.output, teacher.output, self.settings
        distance = feature_loss(student.features, teacher.features, reduce=reduce)
        if settings.mask_logits:
            drivable = mask_logit_loss(own.drivable, wanted.drivable, reduce=reduce)
            lane = mask_logit_loss(own.lane, wanted.lane, reduce=reduce)
            distance = distance + settings.mask_logits * (drivable + lane) / 2
        if settings.box_quality:
            quality = box_quality_loss(
                own.detection.logits, wanted.detection.logits, reduce=reduce
            )
            distance = distance + settings.box_quality * quality
        return distance

    def weight(self, distance: Tensor, tasks: Tensor, progress: float) -> float:
        """Return the weight of a distance in the loss.

        If none is set, the first batch with labels decides on it.

        Args:
            distance: Of the batch.
            tasks: Its loss without it.
            progress: Share of the run that is over; in its last third the weight falls to 0.

        """
        if not self._weight:
            self._weight = SHARE * tasks.item() / max(distance.item(), LEAST_DISTANCE)
        return self._weight * min(1.0, 3 * (1 - progress))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return {'weight': self._weight, 'adapters': self.adapters.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self._weight = state['weight']
        self.adapters.load_state_dict(state['adapters'])
