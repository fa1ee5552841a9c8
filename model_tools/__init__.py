# SPDX-License-Identifier: Apache-2.0
"""The workshop: data, training, compression, evaluation and export of model files."""

# Before anything imports ONNX Runtime: the package keeps it from reporting to its maker.
import panoptic_perception.core  # noqa: F401
