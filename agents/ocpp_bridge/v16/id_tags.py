"""Who may charge, by OCPP 1.6's rules: local list, then cache, then the backend (3.5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from ocpp.v16 import datatypes

from agents.ocpp_bridge.v16.keys import Configuration
from agents.runtime.ocpp.times import InvalidTime, parse_time
from bus_schema import IdToken
from bus_schema.words import IdTokenType, Verdict

MAX_ID_TAG = 20
"""Longest idTag (7.28 CiString20)."""


@dataclass(frozen=True, slots=True)
class TagInfo:
    """What is known about an idTag (7.27 IdTagInfo)."""

    status: str
    parent_id_tag: str | None = None
    expires_ms: int | None = None

    def valid(self, now_ms: int) -> bool:
        """Tell whether it may charge."""
        return self.status == "Accepted" and not self.expired(now_ms)

    def expired(self, now_ms: int) -> bool:
        """Tell whether its time is over."""
        return self.expires_ms is not None and now_ms >= self.expires_ms


def tag_info(info: datatypes.IdTagInfo) -> TagInfo:
    """Return what a backend has said; an expiry date that cannot be read is none."""
    try:
        expires_ms = None if info.expiry_date is None else parse_time(info.expiry_date)
    except InvalidTime:
        expires_ms = None
    return TagInfo(str(info.status), info.parent_id_tag, expires_ms)


def fold(id_tag: str) -> str:
    """Return an idTag as it is compared: case does not matter (CiString20)."""
    return id_tag.lower()


def id_tag_of(token: IdToken, free_id_tag: str) -> str:
    """Return the idTag of a token. One that is too long becomes the first digits of its SHA-256."""
    if token.type is IdTokenType.NO_AUTHORIZATION:
        return free_id_tag
    if 0 < len(token.value) <= MAX_ID_TAG:
        return token.value
    return sha256(f"{token.type.value}:{token.value}".encode()).hexdigest()[:MAX_ID_TAG].upper()


@dataclass(frozen=True, slots=True)
class Ask:
    """The backend must be asked."""


@dataclass(frozen=True, slots=True)
class Known:
    """It is decided without the backend."""

    info: TagInfo
    by: str
    """``local_list``, ``cache`` or ``offline``."""


def decide(
    id_tag: str,
    now_ms: int,
    *,
    local_list: Mapping[str, TagInfo],
    cache: Mapping[str, TagInfo],
    configuration: Configuration,
    online: bool,
) -> Known | Ask:
    """Decide about an idTag, or say that the backend must be asked.

    Online only an idTag that is known as good is accepted without asking, and only with LocalPreAuthorize: one that is
    known as bad may have become good (3.5.3).
    """
    listed = local_list.get(fold(id_tag)) if configuration.flag("LocalAuthListEnabled") else None
    cached = cache.get(fold(id_tag)) if configuration.flag("AuthorizationCacheEnabled") else None
    info, by = (listed, "local_list") if listed is not None else (cached, "cache")
    if online:
        if info is not None and info.valid(now_ms) and configuration.flag("LocalPreAuthorize"):
            return Known(info, by)
        return Ask()
    if info is not None:
        if configuration.flag("LocalAuthorizeOffline") or not info.valid(now_ms):
            return Known(_dated(info, now_ms), by)
        return Known(TagInfo("Invalid"), "offline")
    if configuration.flag("AllowOfflineTxForUnknownId"):
        return Known(TagInfo("Accepted"), "offline")
    return Known(TagInfo("Invalid"), "offline")


def _dated(info: TagInfo, now_ms: int) -> TagInfo:
    if info.status == "Accepted" and info.expired(now_ms):
        return TagInfo("Expired", info.parent_id_tag, info.expires_ms)
    return info


_WORDS = {
    "Accepted": (Verdict.ACCEPTED, "Accepted by the operator's backend."),
    "Blocked": (Verdict.REFUSED, "This card is blocked. Please contact the operator."),
    "Expired": (Verdict.REFUSED, "This card has expired. Please contact the operator."),
    "ConcurrentTx": (Verdict.REFUSED, "This card is charging at another charger already."),
    "Invalid": (Verdict.UNKNOWN, "The operator's backend does not know this card."),
}


def verdict(info: TagInfo, by: str) -> tuple[Verdict, str]:
    """Return what to tell the access agent. A tag that the backend does not know another policy may know."""
    word, reason = _WORDS.get(info.status, (Verdict.REFUSED, "The operator's backend does not accept this card."))
    if by == "offline" and word is Verdict.UNKNOWN:
        return word, "The operator's backend cannot be reached, and this card is not known here."
    return word, reason


def may_stop(starter: str, starter_parent: str | None, id_tag: str, parent: str | None) -> bool:
    """Tell whether ``id_tag`` may stop what ``starter`` has started: the same tag, or the same parent (4.2)."""
    if fold(starter) == fold(id_tag):
        return True
    return parent is not None and starter_parent is not None and fold(parent) == fold(starter_parent)
