"""What can be wrong with a message, and how handlers and callers are told."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Violation(Enum):
    """Why a CALL is answered with a CALLERROR; each dialect has its own word for it."""

    FORMATION = "formation"
    """Not JSON, or not the structure of a message."""
    OCCURRENCE = "occurrence"
    """A field is missing, or there are too few or too many."""
    PROPERTY = "property"
    """A field has a value that is not allowed."""
    TYPE = "type"
    """A field has another type."""
    UNKNOWN_ACTION = "unknown_action"
    """The action is not part of the protocol."""
    NOT_SUPPORTED = "not_supported"
    """The action is known but not offered here."""
    PROTOCOL = "protocol"
    """The message may not come now."""
    SECURITY = "security"
    """Refused for a reason of security."""
    INTERNAL = "internal"
    """The receiver failed."""
    GENERIC = "generic"
    """Anything else."""


class Refusal(Exception):
    """Raised by a handler: the CALL is answered with a CALLERROR. The words are sent to the peer."""

    def __init__(self, violation: Violation, description: str) -> None:
        """Refuse for ``violation``; ``description`` says why, at most 255 characters, and repeats no payload."""
        super().__init__(description)
        self.violation = violation
        self.description = description


class NoAnswer(Exception):
    """Raised by a handler: the CALL gets no answer at all (OCPP 1.6, 4.2: a rejected charge point stays silent)."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Returned by a handler instead of its answer: ``then`` is called once the answer has been sent."""

    answer: Any
    then: Callable[[], None]
    """Must not block; what it raises is logged."""


class CallRefused(Exception):
    """The peer has answered a CALL with a CALLERROR, or with something that is no valid answer.

    ``valid`` is False in the second case: the peer may have executed the CALL.
    """

    def __init__(self, action: str, code: str, description: str, *, valid: bool = True) -> None:
        """Keep the peer's words, cut to what an operator wants to read."""
        super().__init__(f"{action} was refused: {code[:50]}{': ' if description else ''}{description[:255]}")
        self.action = action
        self.code = code
        self.description = description
        self.valid = valid


class CallTimeout(Exception):
    """The peer has not answered in time: nobody knows whether it has executed the CALL."""

    def __init__(self, action: str, timeout_s: float) -> None:
        """Say which action was not answered."""
        super().__init__(f"{action} was not answered within {timeout_s:g} s")
        self.action = action


class InvalidPayload(ValueError):
    """A message of our own that breaks the schema: a defect of the caller. It has not been sent."""

    def __init__(self, action: str, reason: str) -> None:
        """Say which action and which field."""
        super().__init__(f"{action}: {reason}")
        self.action = action
