"""`renew_certificate`: a restart into the trial when nobody uses the charger, an answer after it, and a way back.

The charger's NVS lies in the same flash as its files, so that a power loss may come at any write of either.
"""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.app.renewing import LET_IN_WITHIN_MS
from firmware.boards.file_nvs import FileNvs
from firmware.boards.login import ATTEMPTS, CertificateLogin, read_broker
from firmware.boards.nvs import BROKER, CANDIDATE, TRIAL, Nvs
from firmware.boards.trial import BOOTS
from tests.firmware.app.fakes import Bench
from tests.firmware.app.ota_bench import OtaBench
from tests.firmware.boards.certificates import BROKER_ENTRY, NEW, NEW_ENDS, OLD, OLD_ENDS, OTHER_KEYS, utc_ms

pytestmark = pytest.mark.usefixtures("quick_boots")

WAITS_S = LET_IN_WITHIN_MS // 1000
DONE = ("done", "ok", "the new certificate is in use")


class Site(Bench):
    """A charger with a certificate, and a broker that lets it in with those that are ``good``; none: it is away."""

    def __init__(self) -> None:
        self.good = [OLD, NEW]
        self.boots: list[str] = []
        """What each boot has logged in with."""
        self.failures = 0
        self.last_error = ""
        super().__init__()
        Nvs(FileNvs(self.storage)).write_object(BROKER, BROKER_ENTRY)
        self.boot()

    def boot(self, connect: bool = True) -> None:
        entry, trial = read_broker(Nvs(FileNvs(self.storage)))
        self.failures, self.last_error = 0, ""
        if entry is not None:
            self.boots.append(entry["cert_pem"])
            self.login = self.hardware.login = CertificateLogin(  # type: ignore[attr-defined]
                trial, self, entry["cert_pem"], lambda: True
            )
        super().boot(connect=False)
        if connect:
            self.attempt()

    def attempt(self) -> None:
        """Try once to connect, if it is not connected."""
        if self.link.connected or not self.boots:
            return
        if self.boots[-1] in self.good:
            self.failures = 0
            self.connect()
        else:
            self.failures += 1
            self.last_error = "OSError: -30592"

    def live(self, seconds: int) -> None:
        """Let time pass: an attempt every ten seconds, and a boot whenever the charger wants one."""
        for second in range(seconds):
            if second % 10 == 0:
                self.attempt()
            self.run(1)
            if self.hardware.restarted:
                self.boot()

    def renew(self, certificate: str = NEW, **fields: Any) -> dict[str, Any]:
        return self.send("renew_certificate", **({"source": "technician", "certificate_pem": certificate} | fields))

    def answers(self, first: dict[str, Any]) -> list[tuple[str, str, str]]:
        """Every answer but the first."""
        replies = [reply for reply in self.replies(first["id"]) if reply["stage"] != "accepted"]
        return [(reply["stage"], reply["code"], reply["reason"]) for reply in replies]

    def ends(self) -> int:
        return int(self.of("meta")[-1]["certificate_ends_ts"])

    def settle(self) -> None:
        """Let whatever is under way come to its end, with a broker that takes both."""
        self.good = [OLD, NEW]
        self.cp("A")
        self.live(WAITS_S)
        for _ in range(BOOTS + 1):
            self.boot()
            self.live(1)


@pytest.fixture
def site() -> Site:
    return Site()


def test_it_restarts_into_the_trial_then_keeps_it_then_answers(site: Site) -> None:
    assert site.ends() == utc_ms(OLD_ENDS)
    first = site.renew()
    assert (first["stage"], first["code"]) == ("accepted", "ok")
    assert site.hardware.restarted == [], "the answer leaves first"
    site.run(1)
    assert site.hardware.restarted == ["hard"]
    site.boot(connect=False)
    assert site.boots[-1] == NEW and site.answers(first) == []
    site.attempt()
    site.run(1)
    assert site.answers(first) == [DONE]
    assert site.ends() == utc_ms(NEW_ENDS)
    (event,) = [each for each in site.events("security") if each["kind"] == "ReconfigurationOfSecurityParameters"]
    assert event["detail"] == "certificate renewed by technician"
    assert site.hardware.restarted == [], "it goes on with it"
    site.boot()
    site.run(1)
    assert site.boots[-1] == NEW and site.answers(first) == [DONE], "answered once"
    assert CANDIDATE not in site.storage.files


def test_the_boot_says_why_it_is_one(site: Site) -> None:
    site.renew()
    site.live(3)
    details = [each["detail"] for each in site.events("security") if each["kind"] == "StartupOfTheDevice"]
    assert details[-1] == "restarted by a renewal; a new certificate is on trial"


def test_one_that_the_broker_refuses_is_given_back_with_the_brokers_reason(site: Site) -> None:
    site.good = [OLD]
    first = site.renew()
    site.live(10 * ATTEMPTS + 20)
    assert site.boots[-2:] == [NEW, OLD]
    reason = "the broker does not let the charger in with it (OSError: -30592); the old one is in use again"
    assert site.answers(first) == [("failed", "bad_certificate", reason)]
    assert site.ends() == utc_ms(OLD_ENDS) and CANDIDATE not in site.storage.files


def test_a_broker_that_is_away_is_not_waited_for_longer_than_two_minutes(site: Site) -> None:
    """Where nothing is refused either: an address where nobody answers, no cable."""
    first = site.renew()
    site.run(1)
    site.boot(connect=False)
    site.run(WAITS_S - 1)
    assert site.hardware.restarted == []
    site.run(2)
    assert site.hardware.restarted == ["hard"]
    site.boot()
    site.run(1)
    ((stage, code, reason),) = site.answers(first)
    assert (stage, code, site.boots[-1]) == ("failed", "bad_certificate", OLD)
    assert "(not within 120 s); the old one is in use again" in reason


def test_nobody_who_charges_is_disturbed(site: Site) -> None:
    site.charge()
    first = site.renew()
    site.run(600)
    assert site.hardware.restarted == [] and site.link.connected
    assert site.send("stop")["stage"] == "done"
    site.cp("A")
    site.live(3)
    assert site.answers(first) == [DONE]


def test_while_the_broker_is_away_nothing_is_tried(site: Site) -> None:
    first = site.renew()
    site.disconnect()
    site.run(2 * WAITS_S)
    assert site.hardware.restarted == []
    site.connect()
    site.live(3)
    assert site.answers(first) == [DONE]


def charge_at_the_console(site: Site) -> None:
    site.cp("B")
    assert site.charger.order("console", "authorize", {"id_token": {"type": "rfid", "value": "04A1"}})[0] == "done"
    site.cp("C")


@pytest.mark.parametrize("good", [True, False])
def test_a_car_that_comes_during_the_trial_is_served_and_awaited(site: Site, good: bool) -> None:
    first = site.renew()
    site.run(1)
    site.good = []
    site.boot()
    charge_at_the_console(site)
    site.good = [OLD, NEW] if good else [OLD]
    word = site.storage.files[TRIAL]
    for _ in range(2 * WAITS_S // 10):
        site.attempt()
        site.run(10)
    assert site.hardware.restarted == [] and site.pilot.closed, "it charges"
    assert site.storage.files[TRIAL] == word, "flash is not written while a car charges"
    assert site.answers(first) == []
    charger = site.charger
    assert charger.order("console", "stop", {})[0] == "done"
    site.cp("A")
    site.live(5)
    assert site.answers(first)[-1][0] == ("done" if good else "failed")
    assert site.boots[-1] == (NEW if good else OLD)


def test_only_people_renew(site: Site) -> None:
    for source in ("console", "csms", "load_balancer"):
        answer = site.renew(source=source)
        assert (answer["stage"], answer["code"]) == ("rejected", "not_allowed")
    site.run(1)
    assert site.hardware.restarted == [] and CANDIDATE not in site.storage.files


def test_a_charger_without_a_certificate_says_so() -> None:
    bench = Bench()
    answer = bench.send("renew_certificate", source="technician", certificate_pem=NEW)
    assert (answer["stage"], answer["code"]) == ("rejected", "not_supported")
    assert bench.of("meta")[-1]["certificate_ends_ts"] is None


def test_what_cannot_be_used_is_rejected_at_once(site: Site) -> None:
    answer = site.renew(OTHER_KEYS)
    assert (answer["stage"], answer["code"]) == ("rejected", "bad_certificate")
    assert "for another key" in answer["reason"]
    too_long = site.renew("x" * 1501)
    assert (too_long["stage"], too_long["code"]) == ("rejected", "malformed"), too_long
    assert CANDIDATE not in site.storage.files


def test_one_at_a_time(site: Site) -> None:
    first = site.renew()
    second = site.renew()
    assert (second["stage"], second["code"]) == ("rejected", "occupied")
    site.live(3)
    assert site.answers(first) == [DONE]
    # What has proven good stands beside the old one until the next boot; another candidate would take its place.
    third = site.renew()
    assert (third["stage"], third["code"]) == ("rejected", "occupied") and "reset the charger" in third["reason"]
    site.boot()
    fourth = site.renew()
    assert (fourth["stage"], fourth["code"]) == ("rejected", "bad_certificate") and "end later" in fourth["reason"]


def updating_too() -> OtaBench:
    """A charger that could take both."""
    bench = OtaBench()
    nvs = Nvs(FileNvs(bench.storage))
    nvs.write_object(BROKER, BROKER_ENTRY)
    client = SimpleNamespace(failures=0, last_error="")
    login = CertificateLogin(read_broker(nvs)[1], client, OLD, lambda: True)
    bench.hardware.login = login  # type: ignore[attr-defined]
    return bench


def test_it_and_a_firmware_update_do_not_take_each_others_restarts_for_their_own() -> None:
    renewal = {"source": "technician", "certificate_pem": NEW}
    bench = updating_too()
    assert bench.update()["stage"] == "accepted"
    answer = bench.send("renew_certificate", **renewal)
    assert (answer["stage"], answer["code"]) == ("rejected", "occupied") and "firmware update" in answer["reason"]
    bench = updating_too()
    assert bench.send("renew_certificate", **renewal)["stage"] == "accepted"
    answer = bench.update()
    assert (answer["stage"], answer["code"]) == ("rejected", "occupied") and "certificate" in answer["reason"]
    assert bench.fetched == []


def test_a_flash_that_refuses_rejects_it(site: Site) -> None:
    site.storage.full = True
    answer = site.renew()
    assert (answer["stage"], answer["code"]) == ("rejected", "hardware")
    site.storage.full = False
    site.live(3)
    assert set(site.boots) == {OLD}


def test_a_flash_that_refuses_the_proof_brings_the_old_one_back(site: Site) -> None:
    first = site.renew()
    site.run(1)
    site.boot(connect=False)
    site.storage.full = True
    site.attempt()
    site.run(1)
    assert site.hardware.restarted == ["hard"]
    site.boot(connect=False)
    assert site.boots[-1] == OLD, "what cannot be counted is not tried"
    site.storage.full = False
    site.settle()
    assert site.answers(first)[0][:2] == ("failed", "hardware")


def test_a_power_loss_during_the_trial_costs_one_boot_only(site: Site) -> None:
    first = site.renew()
    site.run(1)
    site.boot(connect=False)
    site.boot()
    site.run(1)
    assert site.answers(first) == [DONE]


def test_a_boot_that_dies_in_the_trial_is_not_repeated_for_ever(site: Site) -> None:
    first = site.renew()
    for _ in range(BOOTS):
        site.boot(connect=False)
        assert site.boots[-1] == NEW
    site.boot()
    site.run(1)
    assert site.boots[-1] == OLD
    ((stage, code, reason),) = site.answers(first)
    assert (stage, code) == ("failed", "hardware") and "restarted 2 times" in reason


def to_the_end(site: Site) -> dict[str, Any]:
    first = site.renew()
    site.live(10 * ATTEMPTS + 20)
    site.boot()
    site.live(1)
    return first


@pytest.mark.parametrize("good", [True, False])
def test_power_lost_at_every_write_leaves_one_that_connects(good: bool) -> None:
    whole = Site()
    whole.good = [OLD, NEW] if good else [OLD]
    before = whole.storage.writes
    to_the_end(whole)
    for write in range(whole.storage.writes - before):
        site = Site()
        site.good = whole.good
        with site.storage.power_lost_at_write(write):
            to_the_end(site)
        for _ in range(10):
            site.boot()
            site.live(10 * ATTEMPTS + 20)
            if site.link.connected and CANDIDATE not in site.storage.files:
                break
        assert site.link.connected and CANDIDATE not in site.storage.files, write
        assert site.boots[-1] in site.good
        stages = {reply["stage"] for reply in site.of("command_reply")}
        assert ("failed" if good else "done") not in stages, write


EVENTS = st.sampled_from(["boot", "boot away", "wait", "away", "back", "refuses", "car", "leaves", "renew"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 30)), min_size=1, max_size=12))
def test_whatever_happens_it_comes_back_and_a_proven_one_is_never_given_up(events: list[tuple[str, int]]) -> None:
    site = Site()
    first = site.renew()
    proven = False
    for event, write in events:
        lost = True
        with site.storage.power_lost_at_write(write):
            happens(site, event)
            lost = False
        if lost:
            site.boot()
        assert not (proven and site.boots[-1] == OLD)
        proven = proven or DONE in site.answers(first)
    site.settle()
    assert site.link.connected and CANDIDATE not in site.storage.files
    assert len({answer[0] for answer in site.answers(first)}) <= 1, "one answer, however often"
    assert not proven or site.boots[-1] == NEW


def happens(site: Site, event: str) -> None:
    if event in ("boot", "boot away"):
        site.boot(connect=event == "boot")
    elif event == "wait":
        site.live(WAITS_S + 10)
    elif event == "away":
        site.good = []
        if site.link.connected:
            site.disconnect()
    elif event == "refuses":
        site.good = [OLD]
    elif event == "back":
        site.good = [OLD, NEW]
    elif event == "car":
        if site.pilot.cp_state == "A":
            charge_at_the_console(site)
    elif event == "leaves":
        site.cp("A")
    elif site.link.connected:
        site.renew()
    site.live(2)
