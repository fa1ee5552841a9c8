# SPDX-License-Identifier: Apache-2.0
"""Panoptic driving perception: road users, drivable area and lane lines from one network."""

import os

__version__ = '0.1.0'

# ONNX Runtime, once it is imported, would report to its maker: a thread, a database in the cache
# folder, connections to a server. What is set already stays.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
