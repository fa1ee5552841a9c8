# SPDX-License-Identifier: Apache-2.0
"""Catch what modules in the middle of a network say while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import TracebackType

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

TAPS: Mapping[str, str] = {
    'C3': 'backbone.stage3.1.merge',
    'C4': 'backbone.stage4.1.merge',
    'C5': 'backbone.stage5.2.merge',
    'P3': 'encoder.down3.merge',
    'P4': 'encoder.up4.merge',
    'P5': 'encoder.up5.merge',
}
"""The last blocks of backbone stages and of encoder levels in a PanopticNet, by feature."""


class TapError(ValueError):
    """A module to listen to is not in the network."""


class Taps:
    """Within `with`, the latest outputs of some modules by feature; afterwards they are let go."""

    def __init__(self, net: nn.Module, modules: Mapping[str, str] = TAPS) -> None:
        """Choose modules, each of which returns one tensor.

        Args:
            net: A bare network: the wrapper of a distributed one has other names.
            modules: Names in `net.named_modules()` by feature.

        Raises:
            TapError: A name is not there.

        """
        known = dict(net.named_modules())
        if missing := sorted(name for name in modules.values() if name not in known):
            raise TapError(
                f'no modules {missing} to tap in {type(net).__name__}: expected names of '
                'named_modules()'
            )
        self._modules = {feature: known[name] for feature, name in modules.items()}
        self._hooks: list[RemovableHandle] = []

    def __enter__(self) -> dict[str, Tensor]:
        """Return the outputs, to be filled when the network runs, in the order of its modules."""
        features: dict[str, Tensor] = {}

        def keep(feature: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
            features[feature] = output

        self._hooks = [
            module.register_forward_hook(partial(keep, feature))
            for feature, module in self._modules.items()
        ]
        return features

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
