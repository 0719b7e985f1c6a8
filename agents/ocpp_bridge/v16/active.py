"""The transaction that is going on at a charge point, as its primary backend sees it."""

from dataclasses import dataclass

from agents.ocpp_bridge.models import TransactionRow


@dataclass(slots=True)
class Active:
    """What must be known without asking the database."""

    session_id: str
    id_tag: str
    started_ms: int
    start_wh: int
    row_id: int
    transaction_id: int | None = None
    """The backend's number; None while it has given none."""
    status: str | None = None
    """What the backend said about the idTag; None while it has not."""
    parent_id_tag: str | None = None
    acted: bool = False
    """True once a withdrawn authorisation has been carried out."""
    sampled_ms: int | None = None

    @property
    def number(self) -> int:
        """The transaction id, or a negative one of our own while there is none: no backend gives those."""
        return -1 - self.row_id if self.transaction_id is None else self.transaction_id


def active_of(row: TransactionRow) -> Active:
    """Return what a row tells."""
    return Active(
        row.session_id,
        row.id_tag,
        row.started_ms,
        row.start_wh,
        row.id,
        row.transaction_id,
        row.status,
        row.parent_id_tag,
        row.acted,
        row.sampled_ms,
    )


def withdrawal(active: Active, energy_wh: int | None, *, stop: bool, max_energy_wh: int) -> str | None:
    """Return what to do about an idTag that the backend has not accepted: ``stop``, ``suspend`` or nothing (yet).

    StopTransactionOnInvalidId decides between ending the transaction and only withholding energy (9.1.30);
    MaxEnergyOnInvalidId lets that much through first (9.1.14).
    """
    if active.acted or active.status in (None, "Accepted"):
        return None
    if max_energy_wh and energy_wh is not None and energy_wh - active.start_wh < max_energy_wh:
        return None
    return "stop" if stop else "suspend"
