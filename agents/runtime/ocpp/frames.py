"""OCPP-J framing: the text of a message ↔ its parts (OCPP-J 1.6, chapter 4; the same in 2.0.1, part 4).

Reading is lenient where a peer's meaning is clear (a missing, null or ``[]`` payload is an empty one) and never
raises; writing is strict.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from bus_schema.json_text import NotJson, read_json

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
"""Message type numbers."""

MAX_FRAME_BYTES = 1024 * 1024
"""Longest message that is read: a local list of 10,000 entries has 700 KiB. Longer ones are refused unread."""

MAX_ID_LENGTH = 36
"""Longest message id that may be sent (OCPP-J 1.6, 4.2.1)."""

MAX_READ_ID_LENGTH = 255
"""Longest message id that is answered under its own name."""

NO_ID = "-1"
"""Id of a CALLERROR for a message whose id could not be read (OCPP 2.0.1, part 4, 4.2.3; 1.6 has no word on it)."""

MAX_DESCRIPTION = 255
"""Longest description of an error (OCPP-J 1.6, 4.2.3)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    id: str
    action: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer to a request."""

    id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallError:
    """The refusal of a request."""

    id: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something that is no message."""

    id: str | None
    """Its message id, as far as it could be read."""
    reason: str
    """What is wrong, without what stands in it."""
    kind: int | None = None
    """Its message type, as far as it could be read. An answer is never answered."""
    ignore: bool = False
    """True for an unknown message type, which must be ignored (OCPP-J 1.6, 4.1.3)."""


Frame = Call | CallResult | CallError | Malformed


def read_frame(data: str | bytes, max_bytes: int = MAX_FRAME_BYTES) -> Frame:
    """Return what ``data`` is. Never raises."""
    if not isinstance(data, str):
        return Malformed(None, "a binary message; OCPP-J is text")
    # A character has at most four bytes, so that short texts need not be encoded to be measured.
    if len(data) * 4 > max_bytes and (len(data) > max_bytes or len(data.encode("utf-8", "replace")) > max_bytes):
        return Malformed(None, f"longer than {max_bytes} bytes")
    try:
        parts = read_json(data)
    except NotJson:
        return Malformed(None, "not JSON, or nested too deeply")
    if not isinstance(parts, list) or not parts:
        return Malformed(None, "not a JSON array with a message type")
    return _read_parts(parts)


def _read_parts(parts: list[Any]) -> Frame:
    kind = parts[0]
    if type(kind) is not int:
        return Malformed(None, "the message type is not a number")
    if kind not in (CALL, CALL_RESULT, CALL_ERROR):
        return Malformed(None, "unknown message type", ignore=True)
    id = parts[1] if len(parts) > 1 else None
    if not isinstance(id, str) or not 0 < len(id) <= MAX_READ_ID_LENGTH:
        return Malformed(None, "the message id is not a string of 1 to 36 characters", kind)
    if kind == CALL_ERROR:
        code, description = (*parts[2:4], "", "")[:2]
        if not isinstance(code, str):
            return Malformed(id, "the error code is not a string", kind)
        return CallError(id, code, description if isinstance(description, str) else "")
    position = 3 if kind == CALL else 2
    payload = parts[position] if len(parts) > position else None
    if payload is None or payload == []:
        payload = {}
    if not isinstance(payload, dict):
        return Malformed(id, "the payload is not a JSON object", kind)
    if len(parts) > position + 1:
        return Malformed(id, "too many elements", kind)
    if kind == CALL_RESULT:
        return CallResult(id, payload)
    action = parts[2] if len(parts) > 2 else None
    if not isinstance(action, str):
        return Malformed(id, "the action is not a string", kind)
    return Call(id, action, payload)


def write_payload(payload: Any) -> str:
    """Return ``payload`` as JSON without spaces; the same payload always gives the same text."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def write_call(id: str, action: str, payload: str) -> str:
    """Return a CALL; ``payload`` is JSON already, so that what is sent again is the same to the byte."""
    return f"[2,{_quoted(id)},{_quoted(action)},{payload}]"


def write_result(id: str, payload: str) -> str:
    """Return a CALLRESULT; ``payload`` is JSON already."""
    return f"[3,{_quoted(id)},{payload}]"


def write_error(id: str, code: str, description: str) -> str:
    """Return a CALLERROR. Its details are empty: they would only repeat the payload."""
    return f"[4,{_quoted(id)},{_quoted(code)},{_quoted(description[:MAX_DESCRIPTION])},{{}}]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def message_ids(random: Random) -> Callable[[], str]:
    """Return a source of message ids: 128 random bits as 32 hexadecimal digits, so that none is ever used again."""
    return lambda: f"{random.getrandbits(128):032x}"
