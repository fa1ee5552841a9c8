# SPDX-License-Identifier: Apache-2.0
"""Panoptic driving perception: road users, drivable area and lane lines from one network."""

__version__ = '0.1.0'
