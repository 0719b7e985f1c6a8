"""Sends each charger its local list, piece by piece, until its ``meta`` says that it has it."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from structlog.typing import FilteringBoundLogger

from agents.access.cards import NO_CARDS, Cards
from agents.access.local_lists import (
    EMPTY,
    NO_BACKEND_LIST,
    BackendList,
    LocalList,
    Piece,
    beginnings,
    elsewhere,
    entries_of,
    list_for,
    next_piece,
    version_of,
    with_room,
)
from agents.access.orders import Orders
from agents.runtime.agent import BusUnavailable
from bus_schema.command import MAX_LOCAL_LIST, CommandReply
from bus_schema.message import CUT_SHORT_LIST
from bus_schema.words import ReplyCode, ReplyStage

LIST_PREFIX = "list-"
"""Begin of the ids of these commands."""

HEARD_MS = 30_000
"""A charger that has said nothing for so long is not sent anything. ms."""

ANSWER_MS = 20_000
"""A command without an answer for so long is made anew. ms."""

PAUSE_MS = 300_000
"""A charger that refuses a piece is not asked again sooner, unless the cards change. ms."""

MADE_LISTS = 50
"""Lists that are kept as they were made."""

KEPT_LISTS = 400
"""Lists whose content is known by their version: enough for several changes of several sizes of list."""


@dataclass(slots=True)
class _Charger:
    """What is known of a charger's list."""

    version: int | None = None
    """None while it has not said, or keeps no list."""
    heard_ms: int = 0
    want: LocalList = field(default_factory=lambda: EMPTY)
    want_version: int = 0
    made_from: tuple[Cards | None, BackendList] | None = None
    """The cards that ``want`` was made from: the site's own and the backend's."""
    left_out: int = 0
    """Cards that the charger has no room for."""
    sent: Piece | None = None
    sent_id: str = ""
    not_before_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Made:
    """A list as a charger should have it."""

    entries: LocalList
    version: int
    left_out: int
    """Cards that there is no room for."""


class ListSender:
    """Knows which list each charger has, and sends what is missing: one piece at a time to each."""

    def __init__(
        self,
        orders: Orders,
        log: FilteringBoundLogger,
        zone: ZoneInfo,
        backend_list: Callable[[str], BackendList] = lambda _charger: NO_BACKEND_LIST,
        *,
        own_first: bool = True,
    ) -> None:
        """Send with ``orders``; expiry dates are those of ``zone``. Until :meth:`use` nothing is sent.

        ``backend_list``: what the backend has listed for a charger. ``own_first``: which of the two is asked first.
        """
        self._orders = orders
        self._log = log
        self._zone = zone
        self._backend_list = backend_list
        self._own_first = own_first
        self._cards: Cards | None = None
        self._entries: LocalList = EMPTY
        self._chargers: dict[str, _Charger] = {}
        self._lists: OrderedDict[int, LocalList] = OrderedDict()
        self._made: dict[tuple[BackendList, frozenset[str]], _Made] = {}
        """Lists of these cards that were made already: most chargers have the same one."""
        self._count = 0

    def use(self, cards: Cards) -> None:
        """Make these the cards that count."""
        if cards is self._cards:
            return
        self._cards, self._entries = cards, entries_of(cards, self._zone)
        self._made.clear()
        for known in self._chargers.values():
            if known.sent is None:
                known.not_before_ms = 0

    def changed(self, charger: str) -> None:
        """Take note that the backend's cards for a charger have changed."""
        known = self._chargers.get(charger)
        if known is not None and known.sent is None:
            known.not_before_ms = 0

    def alive(self, charger: str, now_ms: int) -> None:
        """Take note that a charger has said something."""
        known = self._chargers.get(charger)
        if known is not None:
            known.heard_ms = now_ms

    def has(self, charger: str, version: int | None) -> None:
        """Take note of the version that a charger has told."""
        self._chargers.setdefault(charger, _Charger()).version = version

    async def send(self, now_ms: int) -> None:
        """Send the next piece to each charger that lacks one and listens."""
        for charger, known in list(self._chargers.items()):
            if known.version is not None and known.not_before_ms <= now_ms <= known.heard_ms + HEARD_MS:
                await self._send_to(charger, known, now_ms)

    def problems(self) -> list[str]:
        """Say which chargers have no room for their cards."""
        short = [(known.left_out, charger) for charger, known in self._chargers.items() if known.left_out]
        if not short:
            return []
        most, charger = max(short)
        others = f" (and {len(short) - 1} more chargers)" if len(short) > 1 else ""
        return [
            f"local list of {charger}{others}: {most} cards more than the {MAX_LOCAL_LIST} that it has room for; "
            "these charge only while the charger is connected"
        ]

    async def answered(self, charger: str, reply: CommandReply, now_ms: int) -> None:
        """Take a charger's answer to a piece; send the next one."""
        known = self._chargers.get(charger)
        if known is None or known.sent is None or reply.id != known.sent_id or reply.stage is ReplyStage.ACCEPTED:
            return
        piece, known.sent = known.sent, None
        if reply.stage is ReplyStage.DONE:
            known.version = piece.version
            self._log.info("local_list_sent", charger=charger, version=piece.version, cards=len(piece.result))
        elif reply.code is ReplyCode.VERSION_MISMATCH:
            known.version = CUT_SHORT_LIST
        else:
            known.not_before_ms = now_ms + PAUSE_MS
            self._log.warning("local_list_refused", charger=charger, code=reply.code, why=reply.reason)
            return
        await self._send_to(charger, known, now_ms)

    async def _send_to(self, charger: str, known: _Charger, now_ms: int) -> None:
        self._refresh(charger, known)
        if known.version == known.want_version:
            return
        piece = next_piece(self._lists.get(known.version or 0), known.want)
        self._keep({piece.version: piece.result})
        self._count += 1
        known.sent, known.sent_id = piece, f"{LIST_PREFIX}{now_ms}-{self._count}"
        known.not_before_ms = now_ms + ANSWER_MS
        try:
            await self._orders.change_list(charger, known.sent_id, piece)
        except BusUnavailable:
            known.sent = None

    def _refresh(self, charger: str, known: _Charger) -> None:
        """Make the list anew if the cards have changed."""
        backend = self._backend_list(charger)
        if known.made_from is not None and known.made_from[0] is self._cards and known.made_from[1] is backend:
            return
        known.made_from = self._cards, backend
        key = (backend, elsewhere(charger, self._cards or NO_CARDS))
        made = self._made.get(key) or self._make(charger, backend)
        if len(self._made) >= MADE_LISTS:
            self._made.clear()
        self._made[key] = made
        known.want, known.want_version, known.left_out = made.entries, made.version, made.left_out

    def _make(self, charger: str, backend: BackendList) -> "_Made":
        listed = list_for(charger, self._cards or NO_CARDS, self._entries, backend, own_first=self._own_first)
        entries = with_room(listed)
        left_out = len(listed) - len(entries)
        if left_out:
            self._log.warning("local_list_too_long", charger=charger, cards=len(listed), room=MAX_LOCAL_LIST)
        self._keep(beginnings(entries))
        return _Made(entries, version_of(entries), left_out)

    def _keep(self, lists: dict[int, LocalList]) -> None:
        for version, entries in lists.items():
            if version:
                self._lists[version] = entries
                self._lists.move_to_end(version)
        while len(self._lists) > KEPT_LISTS:
            self._lists.popitem(last=False)
