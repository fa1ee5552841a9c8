# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct

import pytest

from panoptic_perception.bags.damage import WholeRecords, end_of_data

MAGIC = b'\x89MCAP0\r\n'
FOOTER = struct.pack('<BQ', 2, 20) + bytes(20) + MAGIC


def record(opcode, content):
    return struct.pack('<BQ', opcode, len(content)) + content


HEADER, SCHEMA, DATA_END = record(1, b'head'), record(3, b'schema'), record(15, bytes(4))
WHOLE = MAGIC + HEADER + SCHEMA


@pytest.mark.parametrize(
    ('content', 'end'),
    [
        (b'', 8),
        (MAGIC, 8),
        (MAGIC + HEADER[:5], 8),
        (MAGIC + HEADER[:-1], 8),
        (MAGIC + HEADER, 8 + len(HEADER)),
        (WHOLE + SCHEMA[:-1], len(WHOLE)),
        (WHOLE + DATA_END + FOOTER, len(WHOLE)),
        (WHOLE + FOOTER, len(WHOLE)),
        # Blocks that a file system never wrote read as zeros.
        (WHOLE + bytes(100), len(WHOLE)),
        (WHOLE + b'\x05' + b'\xff' * 100, len(WHOLE)),
    ],
)
def test_end_of_data(tmp_path, content, end):
    (tmp_path / 'a.mcap').write_bytes(content)
    assert end_of_data(tmp_path / 'a.mcap') == end


@pytest.fixture
def whole_records(tmp_path):
    (tmp_path / 'a.mcap').write_bytes(WHOLE + SCHEMA[:-3])
    return WholeRecords(tmp_path / 'a.mcap')


def test_whole_records__read_as_a_complete_file(whole_records):
    with whole_records.open() as file:
        assert file.read() == WHOLE + FOOTER
        assert file.read() == b''


@pytest.mark.parametrize('size', [1, 7, 1000])
@pytest.mark.parametrize('offset', [0, 3, len(WHOLE) - 2, len(WHOLE) + 5])
def test_whole_records__seek(whole_records, offset, size):
    expected = WHOLE + FOOTER
    with whole_records.open() as file:
        assert file.seek(offset) == offset
        assert file.read(size) == expected[offset : offset + size]
        assert file.tell() == min(offset + size, len(expected))
        file.seek(-8, 2)
        assert file.read() == MAGIC
