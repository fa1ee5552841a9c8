# SPDX-License-Identifier: Apache-2.0
"""Threads and clocks around the network, without any ROS."""
