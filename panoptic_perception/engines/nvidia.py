# SPDX-License-Identifier: Apache-2.0
"""Ask the driver for the GPU, without any library of CUDA."""

from __future__ import annotations

import ctypes


def gpu_name() -> str:
    """Return the name of the first NVIDIA GPU, '' without one or without its driver."""
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError:
        return ''
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDeviceGetName(name, len(name), device)
    )
    return '' if failed else name.value.decode(errors='replace')
