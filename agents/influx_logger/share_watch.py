"""Notices that a broker deals out no telemetry among the processes that share it. Pure.

A broker without shared subscriptions (MQTT 3.1.1 has none; the embedded one and RabbitMQ lack them) grants ``$share/…``
like any other filter and never sends anything for it. What shows it is a charger that says that it charges, and so
sends telemetry each second, of which nothing comes.
"""

SILENT_S = 60.0
"""How long a charger must have charged without telemetry. Of one charger, one process of four gets a message in 4 s."""

STATE_S = 30.0
"""How long a charger counts as charging after it has said so; it says so each 10 s."""

MOST_NAMED = 3
"""Chargers that the text names."""


class ShareWatch:
    """What one process has heard."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self._charging: dict[str, tuple[float, float]] = {}

    def state(self, charger: str, charging: bool, now_s: float) -> None:
        """Note what a charger says of itself, live."""
        if not charging:
            self._charging.pop(charger, None)
            return
        since_s, last_s = self._charging.get(charger, (now_s, now_s))
        self._charging[charger] = (now_s if now_s - last_s > STATE_S else since_s, now_s)

    def telemetry(self) -> None:
        """Note that telemetry of any charger has come: what was charging until now proves nothing."""
        if self._charging:
            self._charging.clear()

    def problem(self, now_s: float) -> str | None:
        """Say that nothing is dealt out, None unless that is certain."""
        silent = sorted(
            charger
            for charger, (since_s, last_s) in self._charging.items()
            if now_s - since_s >= SILENT_S and now_s - last_s <= STATE_S
        )
        if not silent:
            return None
        names = ", ".join(silent[:MOST_NAMED]) + (", …" if len(silent) > MOST_NAMED else "")
        return (
            f"no telemetry comes although chargers charge ({names}): the broker does not deal out shared subscriptions "
            "($share), or its access list forbids them; set share = '1/1' in [influx_logger] and run one process"
        )
