# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to the model file of the contract."""
