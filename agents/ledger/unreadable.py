"""Events that cannot be read: kept byte for byte, so that those after them can be acknowledged (invariant 4).

A charger sends an event until it is acknowledged, and an acknowledgement names everything up to a number. One event
that cannot be read would therefore stop all acknowledgements of its boot for ever. Here its number is made out as far
as possible, without trusting the rest, and counts as having come. Where it cannot be made out, the gap that it leaves
stays until a person settles it.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy.orm import Session as Database

from agents.ledger.committing import load_boots, save_boot
from agents.ledger.models import EventRow, UnreadableRow
from agents.ledger.numbering import Progress, extend, give_up_below
from agents.ledger.presence import extend_from_store, note_lost, note_turned_up
from agents.runtime.agent import Unreadable

LARGEST = 2**53 - 1
"""Largest number of an event (the contract's Sequence)."""

# The quotation mark must not itself stand in a string, as that of an escaped one would.
_BOOT = re.compile(rb'(?<!\\)"boot_id"\s*:\s*"([0-9a-f]{12})"')
_SEQ = re.compile(rb'(?<!\\)"seq"\s*:\s*([0-9]{1,16})(?=\s*[,}])')
_OLDEST = re.compile(rb'(?<!\\)"oldest_seq"\s*:\s*([0-9]{1,16})(?=\s*[,}])')


@dataclass(frozen=True, slots=True)
class Number:
    """What an event is known by, made out of a payload that cannot be read as a whole."""

    boot_id: str
    seq: int
    oldest_seq: int
    """0 where it could not be made out."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """What keeping an unreadable event has led to."""

    is_new: bool
    boot_id: str | None
    acknowledged: int
    """Highest complete number of its boot; 0 where nothing may be acknowledged."""


def number_of(payload: bytes) -> Number | None:
    """Make out the number of an event, or None: where it is missing, or stands there twice and differs."""
    boots, numbers = set(_BOOT.findall(payload)), set(_SEQ.findall(payload))
    if len(boots) != 1 or len(numbers) != 1:
        return None
    seq = int(numbers.pop())
    if not 1 <= seq <= LARGEST:
        return None
    oldest = {int(each) for each in _OLDEST.findall(payload)}
    return Number(boots.pop().decode(), seq, min(oldest.pop(), seq) if len(oldest) == 1 else 0)


def is_kept(db: Database, unreadable: Unreadable) -> bool:
    """Tell whether these very bytes of this charger are here already."""
    return db.get(UnreadableRow, (unreadable.charger, _digest(unreadable.payload))) is not None


def set_aside(db: Database, unreadable: Unreadable) -> SetAside:
    """Keep an event that cannot be read, and count its number as having come. Again, it changes nothing."""
    charger, number = unreadable.charger, number_of(unreadable.payload)
    is_new = not is_kept(db, unreadable)
    if is_new:
        db.add(
            UnreadableRow(
                charger=charger,
                digest=_digest(unreadable.payload),
                boot_id=None if number is None else number.boot_id,
                seq=None if number is None else number.seq,
                received_ms=unreadable.received_ms,
                reason=unreadable.reason,
                payload=unreadable.payload,
            )
        )
        db.flush()
    if number is None:
        return SetAside(is_new, None, 0)
    boot = (charger, number.boot_id)
    row = load_boots(db, {boot}).get(boot)
    start = Progress() if row is None else Progress(row.contiguous, row.highest)
    if is_new and number.seq <= start.contiguous and db.get(EventRow, (*boot, number.seq)) is None:
        note_turned_up(db, [(*boot, number.seq)])
    progress = extend_from_store(db, boot, start, extend(start, [number.seq]))
    progress, given_up = give_up_below(progress, number.oldest_seq)
    if given_up is not None:
        note_lost(db, boot, given_up, unreadable.received_ms)
        progress = extend_from_store(db, boot, start, progress)
    save_boot(db, boot, progress, row, unreadable.received_ms)
    return SetAside(is_new, number.boot_id, progress.contiguous)


def _digest(payload: bytes) -> str:
    return sha256(payload).hexdigest()
