# SPDX-License-Identifier: Apache-2.0
"""One module for each subcommand: its arguments, and a call of the library."""
