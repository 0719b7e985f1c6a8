"""OCPP 1.6's idTag (at most 20 characters, no kind) and the bus's id_token."""

import hashlib

from bus_schema.message import IdToken
from bus_schema.words import IdTokenType

MOST_CHARACTERS = 20
"""Length of an idTag (OCPP 1.6, 7.27 IdToken)."""


def token_of(id_tag: str) -> IdToken:
    """Return whom a station means by an idTag that it has read: a card."""
    return IdToken(type=IdTokenType.RFID, value=id_tag.strip().upper()[:64])


def id_tag_of(token: IdToken) -> str:
    """Return the idTag by which a station is told of a token. What does not fit, or is empty, is a digest."""
    value = token.value
    if 0 < len(value) <= MOST_CHARACTERS and value.isascii() and value.isprintable():
        return value
    return hashlib.sha256(f"{token.type}:{value}".encode()).hexdigest()[:MOST_CHARACTERS]


def same(one: str, other: str) -> bool:
    """Tell whether two idTags are the same: case does not count (7.3 CiString)."""
    return one.strip().upper() == other.strip().upper()
