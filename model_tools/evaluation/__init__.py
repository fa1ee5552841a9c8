# SPDX-License-Identifier: Apache-2.0
"""Scores of a model file on a labelled split."""
