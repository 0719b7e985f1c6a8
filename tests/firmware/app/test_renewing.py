"""`renew_certificate`: tried while nobody uses the charger, kept once it is proven, answered after a power loss too."""

from typing import Any

import pytest

from firmware.app.renewing import FILE, LET_IN_WITHIN_MS
from tests.firmware.app.fakes import T0, Bench, PowerLost

OLD_ENDS, NEW_ENDS = T0 + 1_000_000, T0 + 9_000_000
WAITS_S = LET_IN_WITHIN_MS // 1000


class FakeLogin:
    """A charger with one certificate in its flash. The broker lets it in with those that are ``good``."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.kept = "old"
        self.tried: str | None = None
        self.good = ["old", "new"]
        self.flash_is_full = False
        self.refusal: str | None = None
        self.cut: str = ""

    @property
    def ends_ts(self) -> int:
        return OLD_ENDS if self.kept == "old" else NEW_ENDS

    def check(self, certificate_pem: str) -> None:
        if certificate_pem == "another key's":
            raise ValueError("it is for another key")

    def uses(self, certificate_pem: str) -> bool:
        return self.kept == certificate_pem

    def try_out(self, certificate_pem: str) -> None:
        self.tried = certificate_pem
        self.bench.link.connected = False

    @property
    def is_let_in(self) -> bool:
        return self.tried is not None and self.bench.link.connected

    def keep(self) -> None:
        if self.cut == "before":
            raise PowerLost
        if self.flash_is_full:
            raise OSError(28, "no space")
        assert self.tried is not None
        self.kept, self.tried = self.tried, None
        if self.cut == "after":
            raise PowerLost

    def go_back(self) -> None:
        self.tried = None
        self.bench.link.connected = False

    def broker(self) -> None:
        """The broker answers: it lets the charger in, or not."""
        if (self.tried or self.kept) in self.good and not self.bench.link.connected:
            self.bench.connect()


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.hardware.login = FakeLogin(made)  # type: ignore[attr-defined]
    made.boot()
    return made


def renew(bench: Bench, certificate: str = "new", **fields: Any) -> dict[str, Any]:
    return bench.send("renew_certificate", **({"source": "technician", "certificate_pem": certificate} | fields))


def login(bench: Bench) -> FakeLogin:
    made: FakeLogin = bench.hardware.login  # type: ignore[attr-defined]
    return made


def last(bench: Bench, first: dict[str, Any]) -> tuple[str, str, str]:
    reply = bench.replies(first["id"])[-1]
    return (reply["stage"], reply["code"], reply["reason"])


def test_it_is_tried_then_kept_then_answered(bench: Bench) -> None:
    assert bench.of("meta")[-1]["certificate_ends_ts"] == OLD_ENDS
    first = renew(bench)
    assert (first["stage"], first["code"]) == ("accepted", "ok")
    assert login(bench).tried is None, "the answer leaves first"
    bench.run(1)
    assert (login(bench).kept, login(bench).tried) == ("old", "new")
    login(bench).broker()
    bench.run(1)
    assert login(bench).kept == "new"
    assert last(bench, first) == ("done", "ok", "the new certificate is in use")
    assert bench.of("meta")[-1]["certificate_ends_ts"] == NEW_ENDS
    (event,) = [each for each in bench.events("security") if each["kind"] == "ReconfigurationOfSecurityParameters"]
    assert event["detail"] == "certificate renewed by technician"
    assert FILE not in bench.storage.files


def test_one_that_the_broker_refuses_is_given_back(bench: Bench) -> None:
    login(bench).good = ["old"]
    first = renew(bench)
    bench.run(WAITS_S - 1)
    login(bench).broker()
    assert login(bench).tried == "new"
    bench.run(2)
    assert login(bench).tried is None
    login(bench).broker()
    bench.run(1)
    stage, code, reason = last(bench, first)
    assert (stage, code) == ("failed", "bad_certificate")
    assert "(nothing in 120 s); the old one is in use again" in reason
    assert login(bench).kept == "old" and bench.of("meta")[-1]["certificate_ends_ts"] == OLD_ENDS


def test_a_refusal_is_not_waited_out(bench: Bench) -> None:
    first = renew(bench)
    bench.run(1)
    login(bench).refusal, login(bench).good = "OSError: -30592", ["old"]
    bench.run(1)
    login(bench).broker()
    bench.run(1)
    assert last(bench, first)[1] == "bad_certificate" and "(OSError: -30592)" in last(bench, first)[2]
    assert login(bench).kept == "old"


def test_where_the_old_one_does_not_connect_again_a_boot_brings_it_back(bench: Bench) -> None:
    first = renew(bench)
    bench.run(1)
    login(bench).refusal = "MemoryError"
    bench.run(WAITS_S - 1)
    assert bench.hardware.restarted == []
    bench.run(2)
    assert bench.hardware.restarted == ["hard"]
    bench.boot()
    assert last(bench, first)[0] == "failed" and bench.link.connected


def test_nobody_who_charges_is_disturbed(bench: Bench) -> None:
    bench.charge()
    first = renew(bench)
    bench.run(60)
    assert login(bench).tried is None and bench.link.connected
    assert bench.send("stop")["stage"] == "done"
    bench.cp("A")
    bench.run(2)
    login(bench).broker()
    bench.run(1)
    assert last(bench, first)[0] == "done"


def test_while_the_broker_is_away_nothing_is_tried(bench: Bench) -> None:
    first = renew(bench)
    bench.disconnect()
    bench.run(2 * WAITS_S)
    assert login(bench).tried is None
    bench.connect()
    bench.run(1)
    login(bench).broker()
    bench.run(1)
    assert last(bench, first)[0] == "done"


def test_a_session_that_begins_meanwhile_is_awaited(bench: Bench) -> None:
    first = renew(bench)
    bench.run(1)
    assert login(bench).tried == "new"
    bench.cp("B")
    token = {"type": "rfid", "value": "04A1"}
    assert bench.charger.order("console", "authorize", {"id_token": token})[0] == "done"
    bench.cp("C")
    login(bench).broker()
    bench.run(2 * WAITS_S)
    assert bench.status() == "Charging"
    assert login(bench).kept == "old", "flash is not written while a car charges"
    bench.send("stop")
    bench.cp("A")
    bench.run(2)
    assert login(bench).kept == "new" and last(bench, first)[0] == "done"


def test_only_people_renew(bench: Bench) -> None:
    for source in ("console", "csms", "load_balancer"):
        answer = renew(bench, source=source)
        assert (answer["stage"], answer["code"]) == ("rejected", "not_allowed")
    bench.run(1)
    assert login(bench).tried is None and FILE not in bench.storage.files


def test_what_cannot_be_used_is_rejected_at_once(bench: Bench) -> None:
    answer = renew(bench, "another key's")
    assert (answer["stage"], answer["code"]) == ("rejected", "bad_certificate")
    assert "for another key" in answer["reason"]
    too_long = renew(bench, "x" * 1501)
    assert (too_long["stage"], too_long["code"]) == ("rejected", "malformed"), too_long


def test_one_at_a_time(bench: Bench) -> None:
    first = renew(bench)
    second = renew(bench)
    assert (second["stage"], second["code"]) == ("rejected", "occupied")
    bench.run(1)
    login(bench).broker()
    bench.run(1)
    assert last(bench, first)[0] == "done"


def test_a_flash_that_refuses_leaves_the_old_one_in_use(bench: Bench) -> None:
    first = renew(bench)
    bench.run(1)
    login(bench).flash_is_full = True
    login(bench).broker()
    bench.run(1)
    login(bench).broker()
    bench.run(1)
    assert last(bench, first)[:2] == ("failed", "hardware")
    assert login(bench).tried is None and login(bench).kept == "old"


@pytest.mark.parametrize(
    ("cut", "kept", "stage"), [("trying", "old", "failed"), ("before", "old", "failed"), ("after", "new", "done")]
)
def test_a_power_loss_leaves_one_that_connects_and_is_answered(bench: Bench, cut: str, kept: str, stage: str) -> None:
    login(bench).cut = cut
    first = renew(bench)
    bench.run(1)
    if cut != "trying":
        with pytest.raises(PowerLost):
            login(bench).broker()
            bench.run(1)
    login(bench).tried, login(bench).cut = None, ""
    bench.boot()
    assert login(bench).kept == kept
    assert last(bench, first)[0] == stage
    assert FILE not in bench.storage.files
    bench.boot()
    assert len([reply for reply in bench.replies(first["id"]) if reply["stage"] == stage]) == 1


def test_power_lost_at_every_write_of_it_leaves_the_old_or_the_new_certificate() -> None:
    for after in range(60):
        bench = Bench()
        bench.hardware.login = FakeLogin(bench)  # type: ignore[attr-defined]
        bench.boot()
        bench.storage.cut(after * 20)
        try:
            renew(bench)
            bench.run(1)
            login(bench).broker()
            bench.run(1)
        except PowerLost:
            pass
        bench.storage.left = None
        login(bench).tried = None
        bench.boot()
        assert login(bench).kept in ("old", "new") and bench.link.connected
        assert FILE not in bench.storage.files
