# SPDX-License-Identifier: Apache-2.0
"""PanopticNet: one backbone, one encoder, three task heads."""
