"""Finds the line of a key in a TOML document, because :mod:`tomllib` keeps none.

The text has been parsed by :mod:`tomllib` before, so that this scanner may trust it: it understands just enough of
the grammar (tables, arrays of tables, dotted and quoted keys, nested arrays and inline tables) to know where a key is.
"""

import re
from collections.abc import Sequence

Key = tuple[str | int, ...]
"""Where something is: keys, and indexes into arrays."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\r\n#]+")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\]))')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def line_of(text: str, key: Sequence[str | int]) -> int:
    """Return the line, from 1, where ``key`` stands; that of its nearest parent if it is missing, else 1."""
    lines = key_lines(text)
    path = tuple(key)
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def key_lines(text: str) -> dict[Key, int]:
    """Return the line of every key, table and array element of a valid TOML document."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Key, int] = {}
        self._lengths: dict[Key, int] = {}

    def scan(self) -> dict[Key, int]:
        table: Key = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self, brackets: int) -> Key:
        self._at += brackets
        *parents, last = self._key()
        self._at += brackets
        table: Key = ()
        for part in parents:
            table = self._newest((*table, part))
        table = (*table, last)
        if brackets == 2:
            index = self._lengths[table] = self._lengths.get(table, -1) + 1
            self._note(table)
            table = (*table, index)
        self._note(table)
        return table

    def _newest(self, table: Key) -> Key:
        """Step into the last element if ``table`` is an array of tables."""
        return (*table, self._lengths[table]) if table in self._lengths else table

    def _pair(self, table: Key) -> None:
        for part in self._key():
            table = (*table, part)
            self._note(table)
        self._at += 1  # "="
        self._skip(_SPACE)
        self._value(table)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                self._string()
                parts.append(_unquoted(self._text[start : self._at]))
            else:
                self._skip(_BARE)
                parts.append(self._text[start : self._at])
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _value(self, key: Key) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._string()
        elif first == "[":
            self._array(key)
        elif first == "{":
            self._inline_table(key)
        else:
            self._skip(_SCALAR)

    def _array(self, key: Key) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                break
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*key, index))
            self._value((*key, index))
            index += 1
        self._at += 1

    def _inline_table(self, key: Key) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                break
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(key)
        self._at += 1

    def _string(self) -> None:
        for pattern in _STRINGS:
            match = pattern.match(self._text, self._at)
            if match:
                self._at = match.end()
                return

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()

    def _note(self, key: Key) -> None:
        self._lines.setdefault(key, self._text.count("\n", 0, self._at) + 1)


def _unquoted(token: str) -> str:
    if token[0] == "'":
        return token[1:-1]
    return _ESCAPE.sub(lambda m: _ESCAPED[m[3]] if m[3] else chr(int(m[1] or m[2], 16)), token[1:-1])
