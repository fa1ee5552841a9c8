# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 shell: the only part that imports rclpy or a message package."""
