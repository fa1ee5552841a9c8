# SPDX-License-Identifier: Apache-2.0
"""The workshop: data, training, compression, evaluation and export of model files."""
