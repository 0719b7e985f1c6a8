"""The charger's log: a ring of small files on flash, with the newest lines in RAM until it suits to write them.

A line is ``<UTC ms or -> <uptime ms> <text>``. Written are lines that people look for when something went wrong: boots,
connections, commands with their answers, sessions, faults, updates. Never a password, and never who charges.

Wear: 32 KiB in eight files; RAM is written out when 1 KiB waits, every ten minutes, and before a restart, and only
while no car is being charged: at most 144 appends a day unless there is much to tell.
"""

from .text import clip
from .url import TransferFailed, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .seam import Put, Storage

SEGMENTS = 8
SEGMENT_BYTES = 4096
MAX_LINE = 200
FLUSH_BYTES = 1024
FLUSH_MS = 600_000
MAX_WAITING_BYTES = 4096
"""RAM that lines may take while they cannot be written; the oldest go first, and are counted."""
RETRY_MS = 60_000
"""Wait after the flash has refused."""
_DAY_MS = 86_400_000
_HIDDEN = "***"


class RingLog:
    """Lines of one charger. ``secrets`` are texts that must never stand in it; ``put`` begins an upload."""

    def __init__(
        self,
        storage: "Storage",
        name: str,
        put: "Callable[[str, int, Callable[[], Iterator[bytes]]], Put] | None" = None,
        secrets: "tuple[str, ...]" = (),
    ) -> None:
        self._storage = storage
        self._name = name
        self._put = put
        self._secrets = tuple([secret for secret in secrets if secret])
        self._waiting: list[str] = []
        self._waiting_bytes = 0
        self._flush_at: int | None = None
        self._slot = 0
        self._generation = 0
        self._begun = False
        self._held = 0
        self.dropped = 0
        """Lines that found no room in RAM."""

    # --- writing --------------------------------------------------------------------------------------------------

    def add(self, utc: int | None, uptime: int, text: str, now: int) -> None:
        """Take a line."""
        line = "%s %d %s" % ("-" if utc is None else utc, uptime, self.clean(text))
        self._waiting.append(line)
        self._waiting_bytes += len(line.encode()) + 1
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self._waiting_bytes -= len(self._waiting.pop(0).encode()) + 1
            self.dropped += 1
        if self._flush_at is None:
            self._flush_at = now + FLUSH_MS

    def clean(self, text: str) -> str:
        """Return a text as it may stand in the log: one short line without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        mark = text.find("://")
        while mark >= 0:
            end = mark + 3
            while end < len(text) and text[end] not in "/ ?#":
                end += 1
            at = text.rfind("@", mark, end)
            if at >= 0:
                text = text[: mark + 3] + _HIDDEN + text[at:]
            mark = text.find("://", mark + 3)
        return clip("".join([char if ord(char) >= 32 else " " for char in text]), MAX_LINE)

    def flush(self, now: int, quiet: bool) -> None:
        """Write what waits if it is time to. ``quiet``: no car is being charged, so that the flash may be written."""
        due = self._flush_at is not None and now >= self._flush_at
        if quiet and not self._held and (due or self._waiting_bytes >= FLUSH_BYTES):
            self.write_out(now)

    def write_out(self, now: int) -> None:
        """Write what waits, now: before a restart."""
        if not self._waiting:
            return
        # The newline comes first, so that a line that a power loss has torn ends where the next one begins.
        data = ("\n" + "\n".join(self._waiting)).encode()
        try:
            self._append(data)
        except OSError:
            # A log that cannot be written must not keep the charger from anything.
            self._flush_at = now + RETRY_MS
            return
        self._waiting, self._waiting_bytes, self._flush_at = [], 0, None

    def _append(self, data: bytes) -> None:
        if not self._begun:
            self._find_newest()
        name = "log-%d" % self._slot
        if self._generation == 0 or self._storage.size(name) + len(data) > SEGMENT_BYTES:
            slot = (self._slot + 1) % SEGMENTS if self._generation else 0
            generation = self._generation + 1
            self._storage.write("log-%d" % slot, b"#%d" % generation + data)
            self._slot, self._generation = slot, generation
        else:
            self._storage.append(name, data)

    def _find_newest(self) -> None:
        for slot in range(SEGMENTS):
            generation = _generation(self._storage.read("log-%d" % slot))
            if generation > self._generation:
                self._slot, self._generation = slot, generation
        self._begun = True

    # --- reading --------------------------------------------------------------------------------------------------

    def lines(self, from_ts: int | None = None, to_ts: int | None = None) -> "Iterator[str]":
        """Yield lines for people, oldest first; those without a date always. Raises :class:`OSError`."""
        if not self._begun:
            self._find_newest()
        for offset in range(1, SEGMENTS + 1):
            data = self._storage.read("log-%d" % ((self._slot + offset) % SEGMENTS))
            if not _generation(data):
                continue
            for line in (data or b"").split(b"\n")[1:]:
                text = _decoded(line)
                if text is not None and _within(text, from_ts, to_ts):
                    yield _for_people(text)
        for text in self._waiting:
            if _within(text, from_ts, to_ts):
                yield _for_people(text)

    def send(self, command: "dict[str, Any]") -> "Callable[[], tuple[bool, str] | None]":
        """Begin to put the log where a ``get_log`` command says; return what to poll for the result.

        Raises :class:`TransferFailed` for an address that this charger cannot reach, OSError if flash is unreadable.
        """
        if self._put is None:
            raise TransferFailed("this charger has no way to put a file anywhere")
        address = Url(command["url"])
        where = command["url"]
        if address.path.endswith("/"):
            where += self._name + ".log"
        from_ts, to_ts = command["from_ts"], command["to_ts"]

        def pieces() -> "Iterator[bytes]":
            for line in self.lines(from_ts, to_ts):
                yield line.encode() + b"\n"

        # Its length is announced before it is sent: until it has been, new lines wait in RAM, behind what is sent.
        length = sum([len(piece) for piece in pieces()])
        upload = _Upload(self, self._put(where, length, lambda: _exactly(pieces(), length)))
        upload.done = "%d bytes put to %s" % (length, Url(where).safe())
        self._held += 1
        return upload.poll

    def release(self) -> None:
        """An upload has ended: lines may be written to flash again."""
        self._held -= 1


class _Upload:
    """A log on its way."""

    def __init__(self, log: RingLog, put: "Put") -> None:
        self._log = log
        self._put = put
        self.done = ""

    def poll(self) -> "tuple[bool, str] | None":
        """Return the result once there is one."""
        try:
            if not self._put.poll():
                return None
            result = (True, self.done)
        except TransferFailed as failed:
            result = (False, str(failed))
        self._put.close()
        self._log.release()
        return result


def _exactly(pieces: "Iterator[bytes]", length: int) -> "Iterator[bytes]":
    """Yield so many bytes: without lines that have come since, with empty ones for those that had to make room."""
    for piece in pieces:
        if len(piece) > length:
            break
        length -= len(piece)
        yield piece
    yield b"\n" * length


def _generation(data: "bytes | None") -> int:
    head = b"" if data is None else data.split(b"\n", 1)[0]
    return int(head[1:]) if head[:1] == b"#" and head[1:].isdigit() else 0


def _decoded(line: bytes) -> str | None:
    """Return a line, or None for one that a power loss has torn or the flash has spoilt."""
    try:
        text = str(line, "utf-8")
    except ValueError:
        return None
    parts = text.split(" ", 2)
    if len(parts) < 3 or not parts[2] or not (parts[0] == "-" or parts[0].isdigit()) or not parts[1].isdigit():
        return None
    return text


def _within(text: str, from_ts: int | None, to_ts: int | None) -> bool:
    word = text.split(" ", 1)[0]
    if word == "-":
        return True
    ts = int(word)
    return (from_ts is None or ts >= from_ts) and (to_ts is None or ts <= to_ts)


def _for_people(text: str) -> str:
    word, uptime, rest = text.split(" ", 2)
    date = "date unknown" if word == "-" else iso(int(word))
    return "%s +%d.%03ds %s" % (date, int(uptime) // 1000, int(uptime) % 1000, rest)


def iso(utc_ms: int) -> str:
    """Return a moment as ISO 8601 in UTC (days to date: Hinnant, "chrono-compatible low-level date algorithms")."""
    days, ms = divmod(utc_ms, _DAY_MS)
    days += 719_468
    era, day = divmod(days, 146_097)
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month = month + 3 if month < 10 else month - 9
    year += era * 400 + (1 if month <= 2 else 0)
    minutes, ms = divmod(ms, 60_000)
    return "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (
        year,
        month,
        day,
        minutes // 60,
        minutes % 60,
        ms // 1000,
        ms % 1000,
    )
