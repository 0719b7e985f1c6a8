"""Reads commands: the contract's tables applied to bytes that anybody may have sent. Raises nothing but Refused."""

from .contract import (
    CODE_MALFORMED,
    CODE_OUT_OF_RANGE,
    CODE_TOO_LARGE,
    CODE_UNKNOWN_OPERATION,
    CODE_UNKNOWN_SETTING,
    COMMAND_FIELDS,
    COMMANDS,
    ID_FIRST,
    ID_MAX,
    ID_REST,
    MAX_MESSAGE_BYTES,
    SETTINGS,
    STRUCTS,
    URL_SCHEMES,
)
from .json_text import NotJson, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Command = dict[str, Any]
    Field = tuple[str, str, bool, bool, Any, Any, Any, Any]

_HEX = "0123456789abcdef"
_SPACES = (0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000)


class Refused(Exception):
    """A command that is not executed: ``code`` of the contract, ``reason`` in words, ``command`` as far as readable."""

    def __init__(self, code: str, reason: str, command: tuple[str | None, str | None] = (None, None)) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.command = command


def read_command(payload: bytes) -> "Command":
    """Return a valid command with every default filled in. Raises :class:`Refused`."""
    command = read_envelope(payload)
    return check_values(command)


def read_envelope(payload: bytes) -> "Command":
    """Return the command with its common fields checked, its own ones not yet. Raises :class:`Refused`."""
    if len(payload) > MAX_MESSAGE_BYTES:
        raise Refused(CODE_TOO_LARGE, "a message has at most %d bytes" % MAX_MESSAGE_BYTES)
    try:
        command = read(payload)
    except NotJson as error:
        raise Refused(CODE_MALFORMED, str(error)) from None
    if type(command) is not dict:
        raise Refused(CODE_MALFORMED, "a command is a JSON object")
    readable = (_readable(command.get("id"), "key", 64), _readable(command.get("op"), "id", 32))
    try:
        for field in COMMAND_FIELDS:
            _take(command, field)
        if type(command.get("op")) is not str:
            raise Refused(CODE_MALFORMED, "op is missing, or not a string")
    except Refused as refused:
        # A wrong value here leaves nothing to act on: whatever is wrong, the envelope is malformed.
        raise Refused(CODE_MALFORMED, refused.reason, readable) from None
    return command


def _readable(value: object, kind: str, longest: int) -> str | None:
    """Return a word that may be repeated in the answer, or None."""
    return value if type(value) is str and _string_problem(value, kind, 1, longest) is None else None


def readable_op(command: "Command") -> str | None:
    """Return the operation if it may be repeated in the answer, known or not."""
    return _readable(command["op"], "id", 32)


def check_values(command: "Command") -> "Command":
    """Return the operation's own fields, valid and with defaults, and the common ones. Raises :class:`Refused`."""
    op = command["op"]
    table = COMMANDS.get(op)
    named = (command["id"], readable_op(command))
    if table is None:
        raise Refused(CODE_UNKNOWN_OPERATION, "no such operation; there are " + ", ".join(sorted(COMMANDS)), named)
    checked = {"op": op}
    for field in COMMAND_FIELDS:
        checked[field[0]] = command.get(field[0])
    try:
        for row in table:
            checked[row[0]] = _take(command, row)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, named) from None
    return checked


def _take(values: "Command", field: "Field") -> "Any":
    """Return the value of a field, or its default. Raises :class:`Refused` that names the field."""
    name, kind, required, may_be_null, low, high, detail, default = field
    if name not in values:
        if required:
            raise Refused(CODE_MALFORMED, name + " is missing")
        return default
    value = values[name]
    if value is None:
        if may_be_null:
            return None
        raise Refused(CODE_MALFORMED, name + " is null")
    if kind == "struct":
        return _struct(name, value, detail)
    if kind == "list":
        if type(value) is not list:
            raise Refused(CODE_MALFORMED, name + " is not a list")
        if not low <= len(value) <= high:
            raise Refused(CODE_OUT_OF_RANGE, "%s has not %d to %d entries" % (name, low, high))
        return [_struct(name, entry, detail) for entry in value]
    if kind == "settings":
        return _settings(name, value, low)
    if kind == "word":
        if type(value) is not str or value not in detail:
            raise Refused(CODE_MALFORMED, "%s is none of %s" % (name, ", ".join(detail)))
        return value
    return check_value(name, value, kind, low, high)


def _struct(name: str, value: "Any", struct: str) -> "Command":
    if type(value) is not dict:
        raise Refused(CODE_MALFORMED, name + " is not an object")
    return {row[0]: _inner(name, value, row) for row in STRUCTS[struct]}


def _inner(outer: str, values: "Command", field: "Field") -> "Any":
    try:
        return _take(values, field)
    except Refused as refused:
        raise Refused(refused.code, "%s.%s" % (outer, refused.reason)) from None


def check_value(name: str, value: "Any", kind: str, low: "Any", high: "Any") -> "Any":
    """Return ``value`` if it is of a simple kind and within its range. Raises :class:`Refused` that names it."""
    if kind == "bool":
        if type(value) is not bool:
            raise Refused(CODE_MALFORMED, name + " is neither true nor false")
        return value
    if kind in ("int", "float"):
        if type(value) is not int and (kind == "int" or type(value) is not float):
            raise Refused(CODE_MALFORMED, name + (" is not a whole number" if kind == "int" else " is not a number"))
        # Written so that NaN, which compares false with everything, is outside.
        if not low <= value <= high:
            raise Refused(CODE_OUT_OF_RANGE, "%s is not within %s to %s" % (name, low, high))
        return value
    if kind == "ids":
        if type(value) is not list:
            raise Refused(CODE_MALFORMED, name + " is not a list")
        if not low <= len(value) <= high:
            raise Refused(CODE_OUT_OF_RANGE, "%s has not %d to %d entries" % (name, low, high))
        return tuple([check_value(name, entry, "id", 1, 32) for entry in value])
    if type(value) is not str:
        raise Refused(CODE_MALFORMED, name + " is not a string")
    problem = _string_problem(value, kind, low, high)
    if problem is not None:
        raise Refused(CODE_MALFORMED, "%s %s" % (name, problem))
    return value


def _settings(name: str, value: "Any", least: int) -> "Command":
    if type(value) is not dict:
        raise Refused(CODE_MALFORMED, name + " is not an object")
    if len(value) < least:
        raise Refused(CODE_OUT_OF_RANGE, name + " is empty")
    settings = {}
    for key in value:
        row = SETTINGS.get(key)
        if row is None:
            raise Refused(CODE_UNKNOWN_SETTING, "no such setting; there are " + ", ".join(sorted(SETTINGS)))
        settings[key] = check_value(key, value[key], row[0], row[1], row[2])
    return settings


def is_id(value: str) -> bool:
    """Tell whether a string is an id of the contract."""
    return _string_problem(value, "id", 1, ID_MAX) is None


def _string_problem(value: str, kind: str, low: int, high: int) -> str | None:
    """Return what is wrong with a string of this kind, or None."""
    if not low <= len(value) <= high:
        return "has not %d to %d characters" % (low, high)
    if kind == "id":
        if value[0] not in ID_FIRST or any(char not in ID_REST for char in value):
            return "is not an id: use a-z, 0-9, '_' and '-'"
    elif kind == "key":
        if any(not 0x21 <= ord(char) <= 0x7E for char in value):
            return "is not made of printable ASCII characters without spaces"
    elif kind == "hex":
        if any(char not in _HEX for char in value):
            return "is not made of 0-9 and a-f"
    elif kind == "url":
        if not any(value.startswith(scheme) and len(value) > len(scheme) for scheme in URL_SCHEMES):
            return "does not begin with one of " + ", ".join(URL_SCHEMES)
        if any(_is_space(ord(char)) for char in value):
            return "contains white space"
    return None


def _is_space(code: int) -> bool:
    return 0x09 <= code <= 0x0D or 0x1C <= code <= 0x1F or 0x2000 <= code <= 0x200A or code in _SPACES
