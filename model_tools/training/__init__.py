# SPDX-License-Identifier: Apache-2.0
"""Target assignment, losses and the trainer."""
