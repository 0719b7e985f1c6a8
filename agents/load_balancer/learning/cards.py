"""Which card it was, without keeping the card."""

import hmac
from hashlib import sha256

from bus_schema import IdToken
from bus_schema.words import IdTokenType

KEY_BYTES = 32
"""Length of the key."""

_OF_NOBODY = frozenset({IdTokenType.NO_AUTHORIZATION, IdTokenType.PAYMENT})
"""Tokens that are shared by all, or used once."""


def card_of(token: IdToken | None, key: bytes) -> str:
    """Return 32 hexadecimal digits that are the same for the same token; empty for a token that is nobody's own.

    A card's UID has so few digits that a plain hash could be found by trying them all: this one takes the key.
    """
    if token is None or token.type in _OF_NOBODY or not token.value:
        return ""
    return hmac.new(key, f"{token.type}:{token.value}".encode(), sha256).hexdigest()[:32]
