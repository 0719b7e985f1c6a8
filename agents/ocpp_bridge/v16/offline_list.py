"""The backend's local list as it goes on to the charger, which decides by it while the bus is dead.

An idTag of the list is a card's UID here: what no card reader can tell is left out, for a charger has little room.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from agents.ocpp_bridge.v16.id_tags import TagInfo
from bus_schema import IdToken
from bus_schema.site_messages import BACKEND_LIST_PAGE, BackendCard
from bus_schema.units import MAX_TIMESTAMP_MS
from bus_schema.words import IdTokenType

_UID = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class OfflineList:
    """What is said about a list; the cards are made page by page, for a bridge has many lists and they are long."""

    version: int
    """listVersion that the backend has given."""
    count: int
    """How many cards there are."""
    digest: str
    """SHA-256 of the cards."""


def offline_list(version: int, local: Mapping[str, TagInfo]) -> OfflineList:
    """Return what to say about the entries ``local``, by folded idTag."""
    tags, digest = _cards_of(local), sha256()
    for tag in tags:
        info = local[tag]
        digest.update(f"{tag}\0{info.status}\0{info.parent_id_tag!r}\0{info.expires_ms}\n".encode())
    return OfflineList(version, len(tags), digest.hexdigest())


def page_after(local: Mapping[str, TagInfo], cursor: str | None) -> tuple[list[BackendCard], str | None]:
    """Return the cards after the UID ``cursor``, in order, and the next cursor; None on the last page."""
    tags = _cards_of(local)
    begin = 0 if cursor is None else bisect_right(tags, cursor.lower())
    page = [_card(tag.upper(), local[tag]) for tag in tags[begin : begin + BACKEND_LIST_PAGE]]
    return page, page[-1].id_token.value if begin + len(page) < len(tags) else None


def _cards_of(local: Mapping[str, TagInfo]) -> list[str]:
    return sorted(tag for tag in local if _UID.fullmatch(tag))


def _card(uid: str, info: TagInfo) -> BackendCard:
    """Return an entry. Whatever is not Accepted is refused, also by a charger whose clock is unset."""
    expires_ms = info.expires_ms
    return BackendCard(
        id_token=IdToken(type=IdTokenType.RFID, value=uid),
        parent_id_token=None
        if info.parent_id_tag is None
        else IdToken(type=IdTokenType.RFID, value=info.parent_id_tag),
        expires_ts=None if expires_ms is None or expires_ms > MAX_TIMESTAMP_MS else max(0, expires_ms),
        blocked=info.status not in ("Accepted", "Invalid"),
        not_known=info.status == "Invalid",
    )
