"""Who may charge: pure decisions, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from zoneinfo import ZoneInfo

from agents.access.cards import NO_CARDS, Cards, card_of, group_token
from agents.access.settings import ASKED_AGENT, PolicyName
from bus_schema import IdToken
from bus_schema.command import Caps
from bus_schema.words import ReplyCode, Verdict

FRESH_MS = 30_000
"""A card that was presented longer ago is not acted upon: its owner may have gone. ms."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What has been decided about a token at a charger."""

    verdict: Verdict
    reason: str
    """Why, in words for a driver."""
    policy: str
    """Which policy decided; empty if none did."""
    parent: IdToken | None = None
    """Group of the token."""
    caps: Caps = field(default_factory=Caps)
    """Where the session must end."""


@dataclass(frozen=True, slots=True)
class Question:
    """Another agent must be asked before it can be decided."""

    agent: str
    policy: PolicyName


@dataclass(frozen=True, slots=True)
class Lists:
    """Everything that is decided by here."""

    zone: ZoneInfo
    """Time zone of expiry dates and hours."""
    policies: Sequence[PolicyName] = ("local_list",)
    cards: Cards = field(default_factory=lambda: NO_CARDS)
    free_chargers: frozenset[str] | None = None
    """Chargers that ``free`` is for; None for all."""

    def is_free(self, charger: str) -> bool:
        """Tell whether everyone may charge at ``charger``."""
        return "free" in self.policies and (self.free_chargers is None or charger in self.free_chargers)


@dataclass(frozen=True, slots=True)
class Hearing:
    """How far the policies have been asked about a token at a charger."""

    token: IdToken
    charger: str
    next_policy: int = 0
    silent: tuple[str, ...] = ()
    """Policies whose agent did not answer."""

    def answered(self, *, silent: str | None = None) -> "Hearing":
        """Return the hearing after the present policy knew nothing, or did not answer at all."""
        heard = self.silent if silent is None else (*self.silent, silent)
        return replace(self, next_policy=self.next_policy + 1, silent=heard)


def proceed(hearing: Hearing, lists: Lists, now_ms: int) -> tuple[Hearing, Ruling | Question]:
    """Ask the policies in order, from the one the hearing is at, until one decides or must ask another agent."""
    while hearing.next_policy < len(lists.policies):
        policy = lists.policies[hearing.next_policy]
        if policy in ASKED_AGENT:
            return hearing, Question(ASKED_AGENT[policy], policy)
        ruling = _local_list(hearing, lists, now_ms) if policy == "local_list" else _free(hearing, lists)
        if ruling.verdict is not Verdict.UNKNOWN:
            return hearing, ruling
        hearing = hearing.answered()
    if hearing.silent:
        words = "Your card could not be checked just now. Please try again in a minute."
        return hearing, Ruling(Verdict.REFUSED, words, hearing.silent[0])
    return hearing, Ruling(Verdict.REFUSED, _UNKNOWN_CARD, "")


def decide(token: IdToken, charger: str, now_ms: int, lists: Lists) -> Ruling:
    """Return what the policies that are decided here say; unknown if none of them knows the token."""
    own = replace(lists, policies=[policy for policy in lists.policies if policy not in ASKED_AGENT])
    hearing, ruling = proceed(Hearing(token, charger), own, now_ms)
    assert isinstance(ruling, Ruling)
    if hearing.next_policy == len(own.policies):
        return replace(ruling, verdict=Verdict.UNKNOWN)
    return ruling


class Age(Enum):
    """How old a presented card is."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"
    """The charger's clock is unset, or ahead: nobody knows how long ago it was."""


def age_of(presented_ts: int | None, now_ms: int) -> Age:
    """Return how old a presentation at ``presented_ts`` is."""
    if presented_ts is None or presented_ts - now_ms > FRESH_MS:
        return Age.UNKNOWN
    return Age.FRESH if now_ms - presented_ts <= FRESH_MS else Age.STALE


_UNKNOWN_CARD = "This card is not known here. Please ask the operator of this site to add it."

UNDATED = "The charger has just started. Please present the card again in a few seconds."
"""Refusal of a card whose presentation cannot be dated: the first acknowledgement sets the charger's clock."""

IN_USE = "This charger is in use."
"""Refusal of a card while somebody else's session is going on."""

OWN_SESSION = "This card is charging here already. Unplug the car to end the session."
"""Refusal of the card whose session is going on, at a charger that does not end sessions by card."""

_TRY_AGAIN = "The charger could not start. Please try again, or use another charger."

_CHARGER_REFUSAL = {
    ReplyCode.RESERVED: "This charger is reserved for somebody else.",
    ReplyCode.UNAVAILABLE: "This charger is out of service. Please use another one.",
    ReplyCode.FAULTED: "This charger has a fault. Please use another one.",
    ReplyCode.HARDWARE: "This charger has a fault. Please use another one.",
    ReplyCode.JOURNAL_FULL: "This charger cannot record a session just now. Please use another one.",
    ReplyCode.OCCUPIED: IN_USE,
    ReplyCode.ALREADY_AUTHORIZED: IN_USE,
    ReplyCode.DEADLINE_PASSED: "That took too long. Please present the card again.",
    ReplyCode.ISSUED_BEFORE_BOOT: "The charger has just restarted. Please present the card again.",
}


def charger_refusal(code: ReplyCode) -> str:
    """Return in words for a driver why the charger itself has refused an accepted card."""
    return _CHARGER_REFUSAL.get(code, _TRY_AGAIN)


def _local_list(hearing: Hearing, lists: Lists, now_ms: int) -> Ruling:
    card = card_of(hearing.token, lists.cards)
    if card is None:
        return Ruling(Verdict.UNKNOWN, _UNKNOWN_CARD, "local_list")
    why_not = card.refusal(hearing.charger, datetime.fromtimestamp(now_ms / 1000, lists.zone))
    if why_not is not None:
        return Ruling(Verdict.REFUSED, why_not, "local_list", group_token(card))
    return Ruling(Verdict.ACCEPTED, "Card accepted.", "local_list", group_token(card))


def _free(hearing: Hearing, lists: Lists) -> Ruling:
    if lists.is_free(hearing.charger):
        return Ruling(Verdict.ACCEPTED, "Charging is free here.", "free")
    return Ruling(Verdict.UNKNOWN, _UNKNOWN_CARD, "free")
