"""What ``chargebus up`` does with the broker's data of an earlier version, whose agents had other client ids."""

from collections.abc import Iterator
from pathlib import Path

from agents.cli.whole_file import KEPT

_BINDS = "use_username_as_clientid true"
"""Stands in every mosquitto.conf of this version."""


def set_broker_data_aside(data: Path) -> Iterator[str]:
    """Rename the broker's data if an earlier version's broker wrote it; yield what was done.

    The sessions in it would never be asked for again, and would fill the broker's memory. No event is lost: chargers
    send again what the ledger has not acknowledged. Call it before the new mosquitto.conf is written. Raises
    :class:`OSError`.
    """
    conf, database = data / "mosquitto.conf", data / "broker/mosquitto.db"
    if conf.exists() and database.exists() and _BINDS not in conf.read_text(encoding="utf-8"):
        kept = database.with_name(database.name + KEPT)
        database.rename(kept)
        yield f"set aside the broker's data of an earlier version: {kept}"
