"""Whether a backend that has acknowledged a StopTransaction has kept it.

OCPP 1.6 has no word for "I threw it away": some backends answer normally all the same. What they check is known, so
that the bridge can tell the operator which transaction to look at.
"""

from agents.ocpp_bridge.peculiarities import Peculiarities


def doubt_about_stop(
    *,
    transaction_id: int | None,
    start_wh: int,
    end_wh: int | None,
    ended_ms: int | None,
    backend_now_ms: int,
    peculiarities: Peculiarities,
) -> str | None:
    """Return why the backend has probably discarded a stop that it acknowledged, in words; None if it has not."""
    if transaction_id is None or transaction_id < 0:
        return "The backend never numbered this transaction, so that its end belongs to none there."
    if not peculiarities.discards_in_silence:
        return None
    if end_wh is not None and end_wh < start_wh:
        return f"The register at the end ({end_wh} Wh) is below that at the start ({start_wh} Wh)."
    most_s = peculiarities.ends_at_most_ahead_s
    if most_s is not None and ended_ms is not None and ended_ms - backend_now_ms > most_s * 1000:
        ahead_s = (ended_ms - backend_now_ms) // 1000
        return f"Its end is {ahead_s} s ahead of the backend's clock; more than {most_s} s are not taken."
    return None
