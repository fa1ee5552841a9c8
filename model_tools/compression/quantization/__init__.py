# SPDX-License-Identifier: Apache-2.0
"""Compute in 8 bits what can be, and refuse what loses too much by it."""
