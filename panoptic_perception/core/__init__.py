# SPDX-License-Identifier: Apache-2.0
"""Pure NumPy and OpenCV parts: image codec, letterbox, results, lane curves, overlay."""
