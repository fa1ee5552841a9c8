# SPDX-License-Identifier: Apache-2.0
"""The label files of a split: JSON, one an image or one list for all, and masks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

from model_tools.data.bdd_labels import ImageLabels, parse_file, parse_json, parse_record
from model_tools.data.files import Files
from model_tools.data.problems import DatasetError

_CHUNK = 1 << 24
_LONGEST_TOKEN = 1 << 16
_LIST_HEAD = re.compile(r'\s*(?:\{\s*"frames"\s*:\s*)?\[\s*')
_SEPARATOR = re.compile(r'\s*([,\]])\s*')


class LabelFiles(Protocol):
    """The labels of a split's images by name."""

    def read(self, name: str) -> ImageLabels:
        """Return one image's labels; DatasetError if they are missing or broken."""


class JsonFolder:
    """One JSON file an image."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder

    def read(self, name: str) -> ImageLabels:
        path = f'{self._folder}/{name}.json'
        where = self._files.where(path)
        if not self._files.exists(path):
            raise DatasetError(
                f"'{where}': expected the labels of an image, found no such file",
                kind='missing_json',
            )
        records = parse_file(self._files.read(path), where)
        if len(records) != 1:
            raise DatasetError(
                f"'{where}': expected the labels of one image, found {len(records)}",
                kind='bad_labels',
            )
        return records[0]


class JsonList:
    """
    One JSON list for all images of a split.

    Only the place of each record is kept: parsed, the 70,000 of BDD100K would fill gigabytes.
    """

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path
        self._spans: dict[str, tuple[int, int]] | None = None
        self._broken: DatasetError | None = None

    def read(self, name: str) -> ImageLabels:
        where = f'{self._files.where(self._path)}: {_stem(name)}'
        span = self._index().get(_stem(name))
        if span is None:
            raise DatasetError(
                f"'{where}': expected the labels of an image, found no such entry",
                kind='missing_json',
            )
        record = self._files.read(self._path, offset=span[0], size=span[1])
        return parse_record(parse_json(record, where), where)

    def _index(self) -> dict[str, tuple[int, int]]:
        # A list that is broken once is broken for each image: it is not parsed again.
        if self._broken:
            # Else each raise would add frames to its traceback, with the images that they hold.
            raise self._broken.with_traceback(None)
        if self._spans is None:
            try:
                self._spans = dict(self._records())
            except DatasetError as error:
                self._broken = error
                raise
        return self._spans

    def _records(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the name and the place of each record, in bytes."""
        window = _Window(self._files, self._path)
        window.take(_LIST_HEAD, 'a JSON list of images')
        while not window.text.startswith(']', window.position):
            start = window.place
            record = window.take_value()
            yield self._name(record), (start, window.place - start)
            if window.take(_SEPARATOR, 'a comma or the end of the list') == ']':
                break

    def _name(self, record: Any) -> str:
        name = record.get('name') if isinstance(record, dict) else None
        if not isinstance(name, str) or not name:
            raise DatasetError(
                f"'{self._files.where(self._path)}': expected a list of records with a name, "
                'found one without',
                kind='bad_labels',
            )
        return _stem(name)


class _Window:
    """A moving part of a JSON text; decoded as Latin-1, so that letters and bytes count alike."""

    def __init__(self, files: Files, path: str) -> None:
        self._files, self._path = files, path
        self.where = files.where(path)
        self._base = 0
        self._decoder = json.JSONDecoder()
        self.text = ''
        self.position = 0
        self._grow()

    @property
    def place(self) -> int:
        """Return the position as an offset into the file."""
        return self._base + self.position

    def take_value(self) -> Any:
        """Parse the value that starts here and move behind it."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self.text, self.position)
            except (ValueError, RecursionError) as error:
                # Only an error at the very end of what was read may be for want of more.
                near_end = len(self.text) - getattr(error, 'pos', 0) < _LONGEST_TOKEN
                if not near_end or not self._grow():
                    raise self._error(f'JSON: {error}') from error
            else:
                text, self.position = self.text[self.position : end], end
                # Letters beyond ASCII were taken apart into bytes: now they are read as UTF-8.
                return value if text.isascii() else parse_json(text.encode('latin-1'), self.where)

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """Match a short pattern here and move behind it; return its last group."""
        while len(self.text) - self.position < _LONGEST_TOKEN and self._grow():
            pass
        match = pattern.match(self.text, self.position)
        if match is None:
            raise self._error(f'{expected} at byte {self.place}')
        self.position = match.end()
        return match[match.re.groups]

    def _grow(self) -> bool:
        more = self._files.read(self._path, offset=self._base + len(self.text), size=_CHUNK)
        self._base += self.position
        self.text = self.text[self.position :] + more.decode('latin-1')
        self.position = 0
        return bool(more)

    def _error(self, expected: str) -> DatasetError:
        return DatasetError(
            f"'{self.where}': expected {expected}; is the file whole?",
            kind='bad_json',
        )


def _stem(name: str) -> str:
    """Return what the name of an image and that of its record share: neither folder nor suffix."""
    stem = name.rpartition('/')[2]
    return stem.rpartition('.')[0] if stem.lower().endswith(('.jpg', '.jpeg', '.png')) else stem


def read_mask(files: Files, folder: str, name: str) -> tuple[bytes, str]:
    """Return the mask file of an image and what to call it in a message."""
    path = f'{folder}/{name}.png'
    if not files.exists(path):
        raise DatasetError(
            f"'{files.where(path)}': expected the mask of an image, found no such file",
            kind='missing_mask',
        )
    return files.read(path), files.where(path)
