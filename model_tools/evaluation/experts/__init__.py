# SPDX-License-Identifier: Apache-2.0
"""Small public networks, run as predictors: the bar that our own networks must pass."""
