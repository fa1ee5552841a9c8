# SPDX-License-Identifier: Apache-2.0
"""Training and test data: readers of road data sets and synthetic drives."""
