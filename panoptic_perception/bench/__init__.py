# SPDX-License-Identifier: Apache-2.0
"""Measure how fast model files run on this machine, and how fast they could run."""
