# SPDX-License-Identifier: Apache-2.0
"""Synthetic drives: a procedural road world with exact labels, from NumPy and OpenCV alone."""

from .drive import Drive, Frame
from .labels import CATEGORIES, Box
from .scenario import Scenario, ScenarioError, parse_scenario

__all__ = ['CATEGORIES', 'Box', 'Drive', 'Frame', 'Scenario', 'ScenarioError', 'parse_scenario']
