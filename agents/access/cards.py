"""The local list: cards with their groups, expiry, chargers and hours."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Annotated

from pydantic import StringConstraints, field_validator

from agents.runtime.configuration.site_config import SettingError, Settings
from bus_schema import Id, IdToken
from bus_schema.words import IdTokenType

HOURS = r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
"""From and to, for example ``06:00-22:00``; ``22:00-06:00`` spans midnight."""

_UID = re.compile(r"(?:[0-9A-F]{2}){4,10}")


class Card(Settings):
    """A card that may charge here."""

    uid: str
    """The card's UID in hexadecimal, 4 to 10 bytes; colons, dashes, spaces and small letters are understood."""
    name: Annotated[str, StringConstraints(max_length=60)] = ""
    """Whose it is, for people; appears nowhere on the bus."""
    group: Annotated[str, StringConstraints(max_length=20)] = ""
    """Members of a group may stop each other's sessions (OCPP's parentIdTag, hence at most 20 characters)."""
    expires: date | None = None
    """Last day on which it is valid, in the site's time zone."""
    chargers: list[Id] = []
    """Where it may charge; everywhere if empty."""
    hours: Annotated[str, StringConstraints(pattern=HOURS)] | None = None
    """When it may start, in the site's time zone, for example ``06:00-22:00``; always if not given."""
    blocked: bool = False
    """True for a card that is refused although it is known, for example a lost one."""

    @field_validator("uid")
    @classmethod
    def _as_readers_tell_it(cls, value: str) -> str:
        uid = normal_uid(value)
        if not _UID.fullmatch(uid):
            raise SettingError("is not a card's UID: use 8 to 20 hexadecimal digits, an even number of them")
        return uid

    def valid_on(self, day: date) -> bool:
        """Tell whether it has not expired by ``day``."""
        return self.expires is None or day <= self.expires

    def valid_at(self, moment: time) -> bool:
        """Tell whether it may start a session at this time of the day. The end of the hours is not included."""
        if self.hours is None:
            return True
        start, end = (time.fromisoformat(part) for part in self.hours.split("-"))
        if start < end:
            return start <= moment < end
        return moment >= start or moment < end

    def refusal(self, charger: str, now: datetime) -> str | None:
        """Return in words for a driver why the card may not charge at ``charger`` at this local time, or None."""
        if self.blocked:
            return "This card is blocked. Please ask the operator of this site."
        if not self.valid_on(now.date()):
            return f"This card expired on {self.expires}. Please ask the operator of this site for a new one."
        if self.chargers and charger not in self.chargers:
            return f"This card is not valid at charger {charger}. It is valid at {_listed(self.chargers)}."
        if not self.valid_at(now.time()):
            return f"This card may start charging only in the hours {self.hours}."
        return None


Cards = Mapping[str, Card]
"""Cards by UID."""

NO_CARDS: Cards = {}


def normal_uid(value: str) -> str:
    """Return a UID as the contract has it: upper-case, without separators."""
    return re.sub(r"[:\-\s]", "", value).upper()


def by_uid(cards: Iterable[Card]) -> dict[str, Card]:
    """Return cards by UID. Raises :class:`ValueError` that names a UID which is there twice."""
    found: dict[str, Card] = {}
    for card in cards:
        if card.uid in found:
            raise ValueError(f"card {card.uid} is listed twice")
        found[card.uid] = card
    return found


def card_of(token: IdToken, cards: Cards) -> Card | None:
    """Return the card that a token is, if it is one of these."""
    return cards.get(normal_uid(token.value)) if token.type is IdTokenType.RFID else None


def group_token(card: Card) -> IdToken | None:
    """Return the token that stands for the card's group."""
    return IdToken(type=IdTokenType.RFID, value=card.group) if card.group else None


def masked(token: IdToken) -> str:
    """Return a token as it may stand in a log: its kind and its end."""
    return f"{token.type}:…{token.value[-4:]}"


def _listed(chargers: list[str]) -> str:
    return ", ".join(chargers[:5]) + (" and others" if len(chargers) > 5 else "")
