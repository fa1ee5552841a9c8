# SPDX-License-Identifier: Apache-2.0
"""The evaluation record shown: as a terminal table, as one HTML page and in the documents."""

from model_tools.evaluation.report.html import write_html
from model_tools.evaluation.report.terminal import table
from model_tools.evaluation.report.tiles import Tile

__all__ = ['Tile', 'table', 'write_html']
