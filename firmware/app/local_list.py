"""The local list: cards that the charger can decide about by itself, kept on flash and hardly at all in memory.

The cards stand in :data:`PAGES` small files by a checksum of their token: one page is read to find a card. A header
tells the list's version and how many cards each page has. Every file is replaced as one. A change first marks the
header as "being changed", then writes the pages, then the new header. After a power loss in between each card still
counts, as it was before the change or after it, but the list has the version of one that was cut short: whoever sends
lists begins it anew.

At most :data:`MAX_LOCAL_LIST` cards, in at most ``PAGES`` × ``PAGE_BYTES`` = 128 KiB of flash. A change writes each of
the pages that it touches once, and the header twice.
"""

import binascii
import json

from .contract import CUT_SHORT_LIST, MAX_LOCAL_LIST
from .records import checked, keep, kept, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .seam import Storage

    Token = dict[str, Any]
    Row = list[Any]

HEADER = "cards"
PAGES = 32
PAGE_BYTES = 4096

ACCEPTED, BLOCKED, EXPIRED, UNKNOWN = 0, 1, 2, 3
"""What the list says of a token."""


class ListFull(Exception):
    """There is no room for a change; nothing was changed."""


class LocalList:
    """The list on flash."""

    def __init__(self, storage: "Storage") -> None:
        self._storage = storage
        self.version = 0
        """Version of the list; 0 while it is empty, CUT_SHORT_LIST after a change that was cut short."""
        self._counts = bytearray(PAGES)

    def load(self) -> None:
        """Read the header. A damaged one is an empty list, which whoever sends lists sees. Raises OSError."""
        self.version, counts = kept(self._storage, HEADER, (0, ""))
        self._counts = bytearray(binascii.unhexlify(counts)) if len(counts) == 2 * PAGES else bytearray(PAGES)

    @property
    def cards(self) -> int:
        """How many cards there are."""
        return sum(self._counts)

    def change(self, version: int, base_version: int | None, entries: "list[Token]", removals: "list[Token]") -> None:
        """Add, replace and remove cards; ``base_version`` None drops those that are there before.

        Raises :class:`ListFull`, and :class:`OSError` when the flash refuses: the change may be cut short then.
        """
        begins = base_version is None
        pages: dict[int, list[Row]] = {}
        for token in removals:
            number = _page_of(token)
            pages[number] = _without(self._page(number, pages, begins), token)
        for entry in entries:
            number = _page_of(entry["id_token"])
            pages[number] = _without(self._page(number, pages, begins), entry["id_token"])
            pages[number].append(_row(entry))
        counts = bytearray(PAGES) if begins else bytearray(self._counts)
        for number in pages:
            counts[number] = min(255, len(pages[number]))
        texts = {number: record(json.dumps(pages[number])) for number in pages}
        if sum(counts) > MAX_LOCAL_LIST or any(len(text) > PAGE_BYTES for text in texts.values()):
            raise ListFull
        self._keep(CUT_SHORT_LIST, self._counts)
        for number in texts:
            self._storage.write(_name(number), texts[number])
        self._keep(version, counts)

    def _keep(self, version: int, counts: bytearray) -> None:
        keep(self._storage, HEADER, (version, str(binascii.hexlify(counts), "ascii")))
        self.version, self._counts = version, counts

    def _page(self, number: int, pages: "dict[int, list[Row]]", begins: bool) -> "list[Row]":
        if number in pages:
            return pages[number]
        return [] if begins else self._read(number)

    def _read(self, number: int) -> "list[Row]":
        """Return the cards of a page; none if the file is damaged, or left over from an older list."""
        if not self._counts[number]:
            return []
        data = self._storage.read(_name(number))
        body = None if data is None else checked(data)
        return [] if body is None else json.loads(body)

    def find(self, token: "Token", utc: int | None) -> "tuple[int, Token | None]":
        """Return what the list says of ``token`` at this time, and its group. Raises :class:`OSError`.

        While the clock is unset (None) no card counts as expired: it is rather the charger than its driver that errs.
        """
        for kind, value, group_kind, group, expires, blocked in self._read(_page_of(token)):
            if value == token["value"] and kind == token["type"]:
                parent = None if group_kind is None else {"type": group_kind, "value": group}
                if blocked:
                    return (BLOCKED, parent)
                if expires is not None and utc is not None and utc >= expires:
                    return (EXPIRED, parent)
                return (ACCEPTED, parent)
        return (UNKNOWN, None)


def _name(number: int) -> str:
    return "%s-%d" % (HEADER, number)


def _page_of(token: "Token") -> int:
    return binascii.crc32(token["value"].encode()) % PAGES


def _row(entry: "Token") -> "Row":
    token, group = entry["id_token"], entry["parent_id_token"] or {"type": None, "value": None}
    return [token["type"], token["value"], group["type"], group["value"], entry["expires_ts"], int(entry["blocked"])]


def _without(rows: "list[Row]", token: "Token") -> "list[Row]":
    return [row for row in rows if row[1] != token["value"] or row[0] != token["type"]]
