# SPDX-License-Identifier: Apache-2.0
"""Read, write and process bags without ROS."""
