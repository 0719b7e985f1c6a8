"""Who is at a balanced site besides the balancer: access, which lets everybody charge, and a meddling technician."""

from typing import Any

from tests.world.senders import Sender


class People(Sender):
    """Access, which lets everybody charge, and a technician who limits, pauses, stops and resets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wild: str | None = None
        """A charger that has not been told to wait for the balancer."""
        self.again(10_000, 60_000, self._meddle)

    def let_charge(self, charger: str, tries: int = 3) -> None:
        """Authorise the car that was just plugged in; again, should the charger not have heard."""
        if tries and self.active:
            token = {"type": "no_authorization", "value": ""}
            self.send(charger, self.command("authorize", id_token=token, caps={}, connection_timeout_s=20))
            self.again(2_000, 9_000, lambda: self.let_charge(charger, tries - 1))

    def _meddle(self) -> None:
        charger, random = self.random.choice(self.chargers), self.random
        if self.wild is not None and random.random() < 0.5:
            # Then nothing limits it any more: no lease, and no memory that there was one.
            self.send(self.wild, self.command("release_limit") | {"source": "load_balancer"})
        kind = random.random()
        if kind < 0.3:
            command = self.command("set_limit", current_a=random.choice([0, 6, 10, 32]), valid_for_s=60)
            self.again(5_000, 30_000, lambda: self.send(charger, self.command("release_limit")))
        elif kind < 0.4:
            command = self.command("pause", reason="")
        elif kind < 0.8:
            command = self.command("resume")
        elif kind < 0.85:
            command = self.command("stop")
        else:
            command = self.command("reset", kind=random.choice(["soft", "hard"]))
        self.send(charger, command)
        self.again(5_000, 60_000, self._meddle)
