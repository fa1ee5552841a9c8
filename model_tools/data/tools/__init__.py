# SPDX-License-Identifier: Apache-2.0
"""Look at a data set: what is in it, what it looks like, what is wrong with it."""
