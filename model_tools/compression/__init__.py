# SPDX-License-Identifier: Apache-2.0
"""Make a trained network small: what each channel is worth, removal, distillation."""
