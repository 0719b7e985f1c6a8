"""Identifiers that stand in topics.

An id names a site, charger, meter, agent, alarm or session. Because it becomes one level of an MQTT topic it
must never contain ``/``, ``+``, ``#`` or white space: a wildcard in an id would let a client address what it
must not.
"""

import re
from typing import Annotated

from pydantic import StringConstraints

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,31}$"
"""What every id must match (design, "The bus"): 1 to 32 characters."""

_ID = re.compile(ID_PATTERN)

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""A pydantic string field that holds an id."""


class InvalidId(ValueError):
    """A string that was to become one level of a topic is not an id."""

    def __init__(self, what: str, value: str) -> None:
        """Say which id was wrong.

        ``what`` is the word for the level (``charger``), ``value`` the string that was given.
        """
        super().__init__(
            f"{what} id {value[:40]!r} is not valid: use 1 to 32 characters out of a-z, 0-9, '_' and '-', "
            "starting with a letter or digit"
        )
        self.what = what
        self.value = value


def is_id(value: str) -> bool:
    """Tell whether ``value`` may stand as one level of a topic."""
    return _ID.fullmatch(value) is not None


def check_id(what: str, value: str) -> str:
    """Return ``value`` unchanged, or raise :class:`InvalidId` that names ``what`` it was meant for."""
    if not is_id(value):
        raise InvalidId(what, value)
    return value
