# SPDX-License-Identifier: Apache-2.0
"""The few figures of a slice that fit on a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def headline(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return images, AP50 by label and both IoUs of a slice of a record; None where unscored."""
    detection = part['detection'] or {'labels': {}}
    return {
        'images': part['images'],
        'ap50': {label: values['ap50'] for label, values in detection['labels'].items()},
        **{f'{task}_iou': part[task] and part[task]['iou'] for task in ('drivable', 'lane')},
    }
