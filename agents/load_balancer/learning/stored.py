"""Past sessions in the balancer's database, and the key that stands for their cards.

Functions of a database session; the agent runs them in its store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session as Database

from agents.load_balancer.learning.cards import KEY_BYTES
from agents.load_balancer.learning.sessions import PastSession
from agents.load_balancer.models import LearningRow, PastSessionRow


@dataclass(frozen=True, slots=True)
class Kept:
    """What the database holds."""

    key: bytes
    complete: bool
    """Whether all that the ledger had was read once."""


def begin(db: Database, random: Random) -> Kept:
    """Return the key and how far the ledger was read; draw a key for a database that has none."""
    row = db.get(LearningRow, 1)
    if row is None:
        row = LearningRow(id=1, card_key=random.getrandbits(8 * KEY_BYTES).to_bytes(KEY_BYTES, "big").hex(), complete=0)
        db.add(row)
    return Kept(bytes.fromhex(row.card_key), bool(row.complete))


def sessions(db: Database) -> list[PastSession]:
    """Return all sessions, oldest first."""
    rows = db.execute(select(PastSessionRow.__table__).order_by(PastSessionRow.arrived_ms))
    return [PastSession(row.card, row.charger, row.arrived_ms, row.stay_s, row.energy_wh) for row in rows]


def known(db: Database, session_ids: list[str]) -> set[str]:
    """Return which of these are in the database."""
    wanted = select(PastSessionRow.session_id).where(PastSessionRow.session_id.in_(session_ids))
    return set(db.scalars(wanted))


def write(db: Database, ended: Mapping[str, PastSession], *, complete: bool) -> set[str]:
    """Write sessions by their ids; return those that were there already, which are written over."""
    before = known(db, list(ended)) if ended else set()
    if ended:
        db.execute(delete(PastSessionRow).where(PastSessionRow.session_id.in_(list(ended))))
        db.add_all(
            PastSessionRow(
                session_id=session_id,
                card=each.card,
                charger=each.charger,
                arrived_ms=each.arrived_ms,
                stay_s=each.stay_s,
                energy_wh=each.energy_wh,
            )
            for session_id, each in ended.items()
        )
    if complete:
        db.execute(update(LearningRow).values(complete=1))
    return before


def prune(db: Database, before_ms: int, per_card: int, per_site: int) -> None:
    """Delete what began earlier, and of each card and of the site all but the newest."""
    db.execute(delete(PastSessionRow).where(PastSessionRow.arrived_ms < before_ms))
    newest = PastSessionRow.arrived_ms.desc(), PastSessionRow.session_id
    of_card = func.row_number().over(partition_by=PastSessionRow.card, order_by=newest)
    of_site = func.row_number().over(order_by=newest)
    ranked = select(
        PastSessionRow.session_id, PastSessionRow.card, of_card.label("of_card"), of_site.label("of_site")
    ).subquery()
    # Sessions of unknown cards have no card in common.
    too_many = select(ranked.c.session_id).where(
        ((ranked.c.card != "") & (ranked.c.of_card > per_card)) | (ranked.c.of_site > per_site)
    )
    db.execute(delete(PastSessionRow).where(PastSessionRow.session_id.in_(too_many)))


def forget(db: Database) -> None:
    """Delete all that was learned, and the key."""
    db.execute(delete(PastSessionRow))
    db.execute(delete(LearningRow))
