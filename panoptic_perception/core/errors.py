# SPDX-License-Identifier: Apache-2.0
"""The common base of errors that speak to the user."""


class StatedError(Exception):
    """An error whose message is one sentence for the user; the command prints it as it is."""
