"""Reads the ledger's acknowledgements."""

from .contract import MAX_ENERGY_WH
from .json_text import NotJson, read

_HEX = "0123456789abcdef"


def read_ack(payload: bytes) -> tuple[str, int, int | None] | None:
    """Return boot_id, seq and ts of an acknowledgement, or None if it is not one."""
    try:
        ack = read(payload)
    except NotJson:
        return None
    if type(ack) is not dict:
        return None
    boot_id, seq, ts = ack.get("boot_id"), ack.get("seq"), ack.get("ts")
    if type(boot_id) is not str or len(boot_id) != 12 or any(char not in _HEX for char in boot_id):
        return None
    # The contract's largest integer, which bounds registers, bounds sequence numbers too.
    if type(seq) is not int or not 1 <= seq <= MAX_ENERGY_WH:
        return None
    if ts is not None and (type(ts) is not int or ts < 0):
        return None
    return (boot_id, seq, ts)
