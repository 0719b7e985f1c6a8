"""What people type for ids, amperes, durations, energies and tokens. Each error says what would be right."""

import math
import re

import typer

from bus_schema.ids import InvalidId, check_id
from bus_schema.message import IdToken
from bus_schema.words import IdTokenType

_DURATION = re.compile(r"(\d+)\s*([smhd]?)", re.ASCII)
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_ENERGY = re.compile(r"(\d+(?:\.\d+)?)\s*(wh|kwh|)", re.ASCII | re.IGNORECASE)
_CARD = re.compile(r"[0-9A-Fa-f]{2}([:\- ]?[0-9A-Fa-f]{2})*")
_SEPARATORS = re.compile(r"[:\- ]")


def charger_id(text: str) -> str:
    """Return the id of a charger; a wildcard or anything else that is no id is refused."""
    return _id("charger", text)


def person_id(text: str) -> str:
    """Return the name of a person."""
    return _id("person", text)


def site_id(text: str) -> str:
    """Return the id of a site."""
    return _id("site", text)


def session_id(text: str) -> str:
    """Return the id of a session."""
    return _id("session", text)


def _id(what: str, text: str) -> str:
    try:
        return check_id(what, text)
    except InvalidId as error:
        raise typer.BadParameter(str(error)) from None


def amperes(text: str) -> float:
    """Return a current: ``16``, ``9.5`` or ``16A``."""
    number = text.strip().removesuffix("A").removesuffix("a")
    try:
        value = float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a current; write amperes, for example 16 or 9.5") from None
    if not math.isfinite(value) or not 0 <= value <= 1000:
        raise typer.BadParameter(f"{text!r} is not possible; a current is 0 to 1000 A (below 6 A the charger pauses)")
    return value


def duration_s(text: str | int) -> int:
    """Return seconds: ``90``, ``90s``, ``15m``, ``2h`` or ``1d``; a number is what a default comes as."""
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write for example 90s, 15m, 2h or 1d")
    seconds = int(match[1]) * _UNIT_S[match[2]]
    if not 1 <= seconds <= 31_536_000:
        raise typer.BadParameter(f"{text!r} is not possible; a duration is 1 s to 365 days")
    return seconds


def energy_wh(text: str) -> int:
    """Return watt-hours: ``10kWh``, ``500Wh``, or a plain number of Wh."""
    match = _ENERGY.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not an energy; write for example 10kWh or 500Wh")
    value = round(float(match[1]) * (1000 if match[2].lower() == "kwh" else 1))
    if not 1 <= value <= 10_000_000:
        raise typer.BadParameter(f"{text!r} is not possible; an energy is 1 Wh to 10 MWh")
    return value


def token(text: str) -> IdToken:
    """Return who is meant: ``rfid:04A2B3C4``, ``app:anna``; without a kind it is a card.

    The digits of a card may be parted by colons, dashes or spaces.
    """
    kind, colon, value = text.partition(":")
    is_card = kind == IdTokenType.RFID or _CARD.fullmatch(text) is not None
    if is_card:
        value = _SEPARATORS.sub("", value if kind == IdTokenType.RFID else text).upper()
    elif not colon or kind not in set(IdTokenType):
        raise typer.BadParameter(f"{text!r} is not a token; write KIND:VALUE with a kind of {', '.join(IdTokenType)}")
    if not 1 <= len(value) <= 64:
        raise typer.BadParameter("the value of a token has 1 to 64 characters")
    return IdToken(type=IdTokenType.RFID if is_card else IdTokenType(kind), value=value)
