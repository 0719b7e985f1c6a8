"""The local lists of chargers: which cards each should have, and the pieces that lead there. Pure, no I/O.

A list's version is a digest of it: the same list has the same version whoever has sent it and when. So nothing about
lists is kept, an agent that restarts finds by the version which list a charger has, and one that was interrupted goes
on where it was, for every piece leads to a list, with a version, of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from agents.access.cards import Card, Cards, group_token
from bus_schema import IdToken
from bus_schema.command import MAX_LOCAL_LIST, LocalListEntry
from bus_schema.message import CUT_SHORT_LIST
from bus_schema.site_messages import BackendCard
from bus_schema.units import MAX_TIMESTAMP_MS
from bus_schema.words import IdTokenType

ADDED, REMOVED = 12, 20
"""Most cards that one command adds, or removes: a command may have 20 of each, but 4 KiB in all, and the longest card
with its group takes 285 bytes."""

LocalList = Mapping[str, LocalListEntry]
"""Cards by UID."""

EMPTY: LocalList = {}


@dataclass(frozen=True, slots=True)
class BackendList:
    """Cards that an OCPP backend has listed; compared by identity, for there may be thousands."""

    entries: LocalList
    """By UID in order; what the backend says it does not know counts as blocked."""
    not_known: frozenset[str]
    """UIDs of those."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


NO_BACKEND_LIST = BackendList(EMPTY, frozenset())


def backend_list(cards: Iterable[BackendCard]) -> BackendList:
    """Return the list of these cards."""
    entries, not_known = {}, set()
    for card in cards:
        uid = card.id_token.value
        entries[uid] = LocalListEntry(
            id_token=card.id_token,
            parent_id_token=card.parent_id_token,
            expires_ts=card.expires_ts,
            blocked=card.blocked or card.not_known,
        )
        if card.not_known:
            not_known.add(uid)
    return BackendList(entries, frozenset(not_known))


@dataclass(frozen=True, slots=True)
class Piece:
    """What one command changes."""

    version: int
    base_version: int | None
    entries: tuple[LocalListEntry, ...]
    removals: tuple[IdToken, ...]
    result: LocalList
    """The list afterwards."""


def entries_of(cards: Cards, zone: ZoneInfo) -> dict[str, LocalListEntry]:
    """Return the entry of every card that a charger can decide about, by UID in order.

    Cards with hours are left out: a charger cannot tell the time of day in the site's zone.
    """
    return {uid: _entry(cards[uid], zone) for uid in sorted(cards) if cards[uid].hours is None}


def elsewhere(charger: str, cards: Cards) -> frozenset[str]:
    """Return the UIDs of cards that are not valid at ``charger``: chargers with the same have the same list."""
    return frozenset(uid for uid, card in cards.items() if card.chargers and charger not in card.chargers)


def list_for(
    charger: str, cards: Cards, entries: LocalList, backend: BackendList = NO_BACKEND_LIST, *, own_first: bool = True
) -> dict[str, LocalListEntry]:
    """Return the cards that ``charger`` should decide about by itself: the site's own and those of the backend.

    A card in both counts as the policy that is asked first has it, as it would while the charger is connected. To know
    a card is enough: one that the site lets charge elsewhere only, or at certain hours, is not the backend's to
    accept here. What the backend says it does not know, the site may know, whichever is asked first.
    """
    not_here = elsewhere(charger, cards)
    own = {uid: entry for uid, entry in entries.items() if uid not in not_here}
    unsure = backend.not_known & cards.keys()
    decided = {uid: entry for uid, entry in backend.entries.items() if uid not in unsure}
    if own_first:
        return own | {uid: entry for uid, entry in decided.items() if uid not in cards}
    return decided | {uid: entry for uid, entry in own.items() if uid not in decided}


def with_room(entries: LocalList) -> dict[str, LocalListEntry]:
    """Return as much of a list as a charger has room for: what was asked first comes first, then the lower UID."""
    return {uid: entries[uid] for uid in list(entries)[:MAX_LOCAL_LIST]}


def version_of(entries: LocalList) -> int:
    """Return the version of a list: 0 of an empty one, never one that means something else."""
    return list(beginnings(entries, len(entries)))[-1] if entries else 0


def beginnings(entries: LocalList, step: int = ADDED) -> dict[int, LocalList]:
    """Return, by version, what a charger has after each piece while it gets this list from the beginning."""
    found: dict[int, LocalList] = {}
    digest, uids = sha256(), sorted(entries)
    for count, uid in enumerate(uids, 1):
        digest.update(entries[uid].model_dump_json().encode())
        if count % step == 0 or count == len(uids):
            version = 1 + int.from_bytes(digest.digest()[:8], "big") % (CUT_SHORT_LIST - 1)
            found[version] = {each: entries[each] for each in uids[:count]}
    return found


def next_piece(have: LocalList | None, want: LocalList) -> Piece:
    """Return the next change on the way from one list to another; None is a list that nobody knows."""
    known = EMPTY if have is None else have
    gone = [uid for uid in sorted(known) if uid not in want][:REMOVED]
    new = [] if gone else [uid for uid in sorted(want) if known.get(uid) != want[uid]][:ADDED]
    result = {uid: entry for uid, entry in known.items() if uid not in gone} | {uid: want[uid] for uid in new}
    return Piece(
        version=version_of(result),
        base_version=version_of(known) if known else None,
        entries=tuple(want[uid] for uid in new),
        removals=tuple(known[uid].id_token for uid in gone),
        result=result,
    )


def _entry(card: Card, zone: ZoneInfo) -> LocalListEntry:
    return LocalListEntry(
        id_token=IdToken(type=IdTokenType.RFID, value=card.uid),
        parent_id_token=group_token(card),
        expires_ts=None if card.expires is None else _end_of(card, zone),
        blocked=card.blocked,
    )


def _end_of(card: Card, zone: ZoneInfo) -> int | None:
    """Return the first moment of the day after the card's last one."""
    if card.expires is None:
        return None
    try:
        end = datetime.combine(card.expires + timedelta(days=1), time(), zone)
        return min(max(0, int(end.timestamp() * 1000)), MAX_TIMESTAMP_MS)
    except OverflowError:
        return None
