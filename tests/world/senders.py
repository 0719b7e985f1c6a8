"""Who sends commands: a technician with good and bad ones, and a stand-in for the load balancer."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from bus_schema.topics import CHARGER_COMMAND
from tests.world.broker import Broker
from tests.world.link import BusClient, LinkFaults
from tests.world.loop import VirtualLoop


class Sender:
    """A client that publishes commands as ``user``."""

    def __init__(
        self,
        loop: VirtualLoop,
        broker: Broker,
        faults: LinkFaults,
        random: Random,
        *,
        user: str,
        site: str,
        chargers: list[str],
        utc_ms: Callable[[], int],
    ) -> None:
        self.loop, self.random, self.user, self.chargers = loop, random, user, chargers
        self.utc_ms = utc_ms
        self.active = True
        self._site = site
        self._count = 0
        self.client = BusClient(
            loop,
            broker,
            random,
            faults,
            user=user,
            client_id=f"{site}-{user}-cli",
            clean=True,
            will=None,
            subscriptions=list,
            on_message=lambda _packet, acknowledge: acknowledge(),
            on_up=lambda: None,
            on_down=lambda: None,
        )
        self.client.start()

    def command(self, op: str, deadline_s: float = 10, **fields: Any) -> dict[str, Any]:
        """Return a command with a new id."""
        self._count += 1
        now_ms = self.utc_ms()
        return {
            "op": op,
            "id": f"{self.user}-{self._count}",
            "ts": now_ms,
            "source": self.user,
            "deadline_ts": now_ms + int(deadline_s * 1000),
            **fields,
        }

    def send(self, charger: str, payload: bytes | dict[str, Any], *, retain: bool = False) -> None:
        raw = json.dumps(payload).encode() if isinstance(payload, dict) else payload
        self.client.publish(CHARGER_COMMAND.format(self._site, charger=charger, sender=self.user), raw, 1, retain)

    def again(self, low_ms: int, high_ms: int, act: Callable[[], None]) -> None:
        """Call ``act`` after a random while, if still active then."""
        delay_ms = self.random.randrange(low_ms, high_ms)
        self.loop.at(self.loop.now_ms + delay_ms, lambda: act() if self.active else None)


class LeaseSource(Sender):
    """Gives each charger leases of random length and size, forgets to renew some, and disappears for minutes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, user="load_balancer", **kwargs)
        self._gone_until_ms = 0
        for charger in self.chargers:
            self.again(1_000, 10_000, lambda c=charger: self._grant(c))

    def _grant(self, charger: str) -> None:
        random = self.random
        if self.loop.now_ms >= self._gone_until_ms:
            if random.random() < 0.04:
                self._gone_until_ms = self.loop.now_ms + random.randrange(20_000, 240_000)
            elif random.random() < 0.05:
                self.send(charger, self.command("release_limit"))
            else:
                current_a = random.choice([0, 5.9, 6, 8.5, 10, 16, 16, 20, 32, 40, random.uniform(0, 32)])
                self.send(charger, self.command("set_limit", current_a=current_a, valid_for_s=random.randrange(5, 90)))
        self.again(3_000, 40_000, lambda: self._grant(charger))


class Technician(Sender):
    """Sends whatever a technician may send, right and wrong."""

    def __init__(self, *args: Any, pause_ms: tuple[int, int] = (1_000, 25_000), **kwargs: Any) -> None:
        super().__init__(*args, user="technician", **kwargs)
        self._pause_ms = pause_ms
        self._sent: list[tuple[str, bytes]] = []
        self.retained: set[str] = set()
        """Chargers with a retained command on the broker."""
        self._makers: list[tuple[float, Callable[[], dict[str, Any]]]] = [
            (4, self._set_limit),
            (2, lambda: self.command("release_limit")),
            (5, self._authorize),
            (2, lambda: self.command("stop", de_authorized=self.random.random() < 0.3)),
            (1, lambda: self.command("pause", reason="measuring")),
            (3, lambda: self.command("resume")),
            (1, lambda: self.command("unlock")),
            (0.7, lambda: self.command("reset", kind=self.random.choice(["soft", "hard"]))),
            (0.5, lambda: self.command("set_availability", available=False)),
            (2.5, lambda: self.command("set_availability", available=True)),
            (0.5, self._reserve),
            (1, lambda: self.command("cancel_reservation", reservation_id=self.random.randrange(4))),
            (3, lambda: self.command("trigger", message=self.random.choice(["meta", "state", "telemetry", "events"]))),
            (2, self._configure),
            (1, lambda: self.command("identify", duration_s=5)),
            (0.5, lambda: self.command("get_log", url="ftp://log.example/up")),
            (0.5, lambda: self.command("refuse", id_token=self._token(), reason="not today")),
            (0.5, self._update_local_list),
        ]
        self.again(*self._pause_ms, self._act)

    def prepare(self) -> None:
        """Make some chargers ask for leases, as a site with a balancer would."""
        for charger in self.chargers:
            if self.random.random() < 0.7:
                settings: dict[str, Any] = {"required_sources": ["load_balancer"], "sample_interval_s": 30}
                settings["resume_after_power_loss"] = self.random.random() < 0.5
                self.send(charger, self.command("configure", settings=settings))

    def tidy(self) -> None:
        """Take back what retained commands are on the broker."""
        for charger in sorted(self.retained):
            self.send(charger, b"", retain=True)
        self.retained.clear()

    def _act(self) -> None:
        charger = self.random.choice(self.chargers)
        chance = self.random.random()
        if chance < 0.70 or not self._sent:
            self._remember(charger, json.dumps(self._make()).encode())
        elif chance < 0.82:
            self.send(*self.random.choice(self._sent[-30:]))
        elif chance < 0.88:
            self._remember(charger, json.dumps(self._stale(self._make())).encode())
        elif chance < 0.90:
            self._remember(charger, json.dumps(self._in_a_foreign_name()).encode())
        elif chance < 0.93:
            self.retained.add(charger)
            self.send(charger, self._make(), retain=True)
        else:
            self.send(charger, self._malformed(self._make()))
        self.again(*self._pause_ms, self._act)

    def _remember(self, charger: str, raw: bytes) -> None:
        self._sent.append((charger, raw))
        self.send(charger, raw)
        if self.random.random() < 0.1:
            self.again(1, 3_000, lambda: self.send(charger, raw))

    def _make(self) -> dict[str, Any]:
        weights = [weight for weight, _ in self._makers]
        return self.random.choices(self._makers, weights)[0][1]()

    def _token(self) -> dict[str, str]:
        return {"type": "app", "value": self.random.choice(["anna", "ben"])}

    def _set_limit(self) -> dict[str, Any]:
        current_a = self.random.choice([0, 6, 7.25, 13, 16, 25, 32, 80])
        return self.command("set_limit", current_a=current_a, valid_for_s=self.random.randrange(1, 120))

    def _authorize(self) -> dict[str, Any]:
        caps = self.random.choice([{}, {"energy_wh": self.random.randrange(1, 800)}, {"duration_min": 1}])
        return self.command("authorize", id_token=self._token(), caps=caps)

    def _reserve(self) -> dict[str, Any]:
        expires_ts = self.utc_ms() + self.random.randrange(1_000, 90_000)
        number = self.random.randrange(4)
        return self.command("reserve", reservation_id=number, id_token=self._token(), expires_ts=expires_ts)

    def _configure(self) -> dict[str, Any]:
        settings = self.random.choice(
            [
                {"fallback_current_a": self.random.choice([0.0, 6.0, 8.0, 16.0])},
                {"max_current_a": self.random.choice([6.0, 10.0, 20.0, 32.0])},
                {"required_sources": self.random.choice([[], ["load_balancer"], ["load_balancer", "ocpp_bridge"]])},
                {"idle_end_s": self.random.choice([0, 0, 40])},
                {"telemetry_interval_s": self.random.choice([1, 5])},
                {"sample_interval_s": self.random.choice([10, 60])},
                {"start_delay_max_s": self.random.choice([0, 0, 10])},
                {"stop_by_same_card": self.random.random() < 0.7},
                {"resume_after_power_loss": self.random.random() < 0.7},
                {"local_pre_authorize": self.random.random() < 0.5},
                {"local_authorize_offline": self.random.random() < 0.8},
                {"residual_current_retries": self.random.choice([0, 6, 7])},
                {"wake_sleepy_cars": self.random.random() < 0.8},
                {"max_current_a": 5.0},
                {"no_such_setting": 1},
            ]
        )
        return self.command("configure", settings=settings)

    def _update_local_list(self) -> dict[str, Any]:
        """Somebody else's list: the access agent must put it right."""
        base = self.random.choice([None, None, 0, 7, 2_147_483_647])
        entries = [{"id_token": self._token()}] * self.random.choice([0, 1, 1, 21])
        version = self.random.choice([0, 7, 8])
        return self.command("update_local_list", version=version, base_version=base, entries=entries)

    def _stale(self, command: dict[str, Any]) -> dict[str, Any]:
        age_ms = self.random.choice([11_000, 60_000, 3_600_000])
        command["ts"] -= age_ms
        command["deadline_ts"] -= age_ms if self.random.random() < 0.6 else 0
        return command

    def _in_a_foreign_name(self) -> dict[str, Any]:
        """What a stolen account of a technician would try: more current, under the balancer's name."""
        command = self.command("set_limit", current_a=80, valid_for_s=3600)
        return command | {"source": self.random.choice(["load_balancer", "access", "c1"])}

    def _malformed(self, command: dict[str, Any]) -> bytes:
        raw = json.dumps(command).encode()
        broken: list[Callable[[], bytes]] = [
            lambda: raw[: self.random.randrange(len(raw))],
            lambda: b"\xff\xfe" + raw,
            lambda: b"[" * 3_000,
            lambda: b"null",
            lambda: b'"command"',
            lambda: b"x" * 1_048_576,
            lambda: json.dumps({**command, "op": "explode"}).encode(),
            lambda: json.dumps({**command, "deadline_ts": "soon"}).encode(),
            lambda: json.dumps({**command, "id": ""}).encode(),
            lambda: json.dumps({**command, "id": "a b"}).encode(),
            lambda: json.dumps({**command, "source": "#"}).encode(),
            lambda: json.dumps({**command, "op": "set_limit", "current_a": float("nan"), "valid_for_s": 9}).encode(),
            lambda: json.dumps({**command, "op": "set_limit", "current_a": -6, "valid_for_s": 9}).encode(),
            lambda: json.dumps({**command, "op": "authorize", "id_token": None}).encode(),
            lambda: json.dumps({key: value for key, value in command.items() if key != "ts"}).encode(),
        ]
        return self.random.choice(broken)()
