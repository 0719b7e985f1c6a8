"""Random lives of one charger: whatever people, cars, agents, the bus, the flash and the power do, in any order.

After every step: the offered current obeys every limit (invariants 2 and 3), every session that was ever published is
journalled and its energy is a difference of registers (4, 11), every command was answered once per delivery and
executed at most once (7), and numbers of events have no gap and no second meaning (5).
"""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.firmware.app.fakes import T0, Bench, PowerLost

SOURCES = st.sampled_from(["load_balancer", "console", "technician"])
TOKENS = st.sampled_from(["04A1", "04B2"])
REQUIRED = "load_balancer"
FALLBACK_A = 8.0


class ChargerLife(RuleBasedStateMachine):
    """One charger and the model of what it may offer."""

    @initialize(required=st.booleans(), utc_set=st.booleans(), seed=st.integers(0, 9), resume=st.booleans())
    def begin(self, required: bool, utc_set: bool, seed: int, resume: bool) -> None:
        self.bench = Bench(utc_set=utc_set, seed=seed)
        self.required = required
        names = [REQUIRED] if required else []
        settings = {"required_sources": names, "fallback_current_a": FALLBACK_A, "resume_after_power_loss": resume}
        self.bench.send("configure", settings=settings)
        card = {"id_token": {"type": "rfid", "value": "04A1"}, "parent_id_token": {"type": "rfid", "value": "staff"}}
        self.bench.send("update_local_list", version=7, entries=[card])
        self.leases: dict[str, tuple[float, int]] = {}
        self.kept: set[str] = set()
        self.delivered: dict[str, int] = {}
        self.stopped_meter = 1000

    def guarded(self, action: Any) -> Any:
        """Do something during which the flash may lose power; then boot again."""
        try:
            return action()
        except PowerLost:
            self.power_on()
            return None

    def power_on(self) -> None:
        bench = self.bench
        bench.storage.left = None
        bench.meter.settle()
        self.leases = {}
        bench.boot(connect=False)
        bench.connect()

    # --- cars and cards ---

    @rule(state=st.sampled_from("ABC"))
    def car(self, state: str) -> None:
        self.guarded(lambda: self.bench.cp(state))

    @rule(fault=st.sampled_from(["", "pilot_short", "residual_current", "emergency_stop"]))
    def fault(self, fault: str) -> None:
        self.bench.pilot.faults = [fault] if fault else []
        self.bench.pilot.changed()
        self.guarded(self.bench.tick)

    @rule(uid=TOKENS)
    def card(self, uid: str) -> None:
        self.guarded(lambda: self.bench.card(uid))

    @rule(temperature=st.sampled_from([25.0, 66.0, 69.0, 72.0, None]))
    def warm(self, temperature: float | None) -> None:
        self.bench.hardware.temperature = temperature
        self.guarded(lambda: self.bench.run(11))

    # --- agents ---

    def command(self, op: str, **fields: Any) -> dict[str, Any] | None:
        command = self.bench.command(op, **fields)
        self.delivered[command["id"]] = 1
        self.guarded(lambda: self.bench.deliver(json.dumps(command).encode(), sender=command["source"]))
        replies = self.bench.replies(command["id"])
        return replies[0] if replies else None

    @rule(source=SOURCES, current=st.sampled_from([0.0, 5.9, 6.0, 7.5, 16.0, 32.0, 80.0]), valid=st.integers(1, 90))
    def limit(self, source: str, current: float, valid: int) -> None:
        reply = self.command("set_limit", source=source, current_a=current, valid_for_s=valid)
        if reply is not None and reply["stage"] == "done" and reply["boot_id"] == self.bench.charger.boot_id:
            self.leases[source] = (current, self.bench.clock.now + valid * 1000)
            self.kept.add(source)
        elif reply is None:
            self._perhaps_limited(source, current, self.bench.clock.now + valid * 1000)

    def _perhaps_limited(self, source: str, current: float, ends: int) -> None:
        """Without an answer (the link is down) it may have been executed or not: whichever allows more counts."""
        if source in self.leases:
            old_a, old_ends = self.leases[source]
            self.leases[source] = (max(old_a, current), max(old_ends, ends))
        elif source in self.kept or (self.required and source == REQUIRED):
            self.leases[source] = (max(FALLBACK_A, current), ends)

    @rule(source=SOURCES)
    def release(self, source: str) -> None:
        reply = self.command("release_limit", source=source)
        if reply is None or reply["stage"] == "done":
            # Without an answer (the link is down) it may have been executed.
            self.leases.pop(source, None)
            self.kept.discard(source)

    @rule(value=TOKENS, cap=st.sampled_from([None, 5, 500]), minutes=st.sampled_from([None, 1]))
    def authorize(self, value: str, cap: int | None, minutes: int | None) -> None:
        token = {"type": "rfid", "value": value}
        self.command("authorize", id_token=token, caps={"energy_wh": cap, "duration_min": minutes})

    @rule(version=st.integers(0, 3), base=st.sampled_from([None, 0, 1, 2, 7]), values=st.lists(TOKENS, max_size=3))
    def local_list(self, version: int, base: int | None, values: list[str]) -> None:
        entries = [{"id_token": {"type": "rfid", "value": value}} for value in values]
        self.command("update_local_list", version=version, base_version=base, entries=entries)

    @rule(retries=st.integers(0, 6), wake=st.booleans(), pre=st.booleans(), unknown=st.booleans())
    def settings(self, retries: int, wake: bool, pre: bool, unknown: bool) -> None:
        settings = {
            "residual_current_retries": retries,
            "wake_sleepy_cars": wake,
            "local_pre_authorize": pre,
            "allow_offline_tx_for_unknown_id": unknown,
        }
        self.command("configure", settings=settings)

    @rule(op=st.sampled_from(["stop", "pause", "resume", "unlock", "identify"]))
    def simple(self, op: str) -> None:
        self.command(op)

    @rule(available=st.booleans())
    def availability(self, available: bool) -> None:
        self.command("set_availability", available=available)

    @rule(value=TOKENS, number=st.integers(1, 2), seconds=st.integers(1, 100))
    def reserve(self, value: str, number: int, seconds: int) -> None:
        expires = self.bench.clock.now + T0 + seconds * 1000
        self.command("reserve", reservation_id=number, id_token={"type": "rfid", "value": value}, expires_ts=expires)

    @rule(kind=st.sampled_from(["soft", "hard"]))
    def reset(self, kind: str) -> None:
        self.command("reset", kind=kind)
        self.guarded(lambda: self.bench.run(1))
        if self.bench.hardware.restarted:
            self.power_on()

    @rule(payload=st.binary(max_size=30))
    def noise(self, payload: bytes) -> None:
        self.guarded(lambda: self.bench.deliver(payload))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def duplicate(self, data: st.DataObject) -> None:
        """A command comes again; with this boot's answers still known it is answered, not executed."""
        bench = self.bench
        command_id = data.draw(st.sampled_from(sorted(self.delivered)))
        if command_id not in bench.charger.commands._answers:
            return
        before = (dict(bench.charger.leases.by_source), bench.charger.sessions.session, bench.storage.writes)
        payload = json.dumps(bench.command("identify") | {"id": command_id})
        shown = len(bench.hardware.shown)
        bench.charger.on_message("ev/v1/garage/charger/c1/command/from/console", payload.encode(), False)
        assert before == (dict(bench.charger.leases.by_source), bench.charger.sessions.session, bench.storage.writes)
        assert len(bench.hardware.shown) == shown
        self.delivered[command_id] += 1
        self.guarded(bench.tick)

    # --- bus, time and power ---

    @rule(seconds=st.sampled_from([0.1, 1, 5, 30, 100]))
    def time(self, seconds: float) -> None:
        self.guarded(lambda: self.bench.run(seconds))

    @rule(connected=st.booleans(), accepts=st.booleans(), acks=st.booleans())
    def link(self, connected: bool, accepts: bool, acks: bool) -> None:
        bench = self.bench
        bench.acks = acks
        bench.link.accepts = accepts
        self.guarded(bench.connect if connected else bench.disconnect)

    @rule(after=st.integers(0, 3000))
    def cut_the_power_soon(self, after: int) -> None:
        self.bench.storage.cut(after)

    @rule()
    def power_loss(self) -> None:
        self.power_on()

    # --- what must hold ---

    @invariant()
    def offers_no_more_than_every_limit(self) -> None:
        bench = self.bench
        now = bench.clock.now
        limits = [32.0, bench.pilot.cable_a]
        for current, ends in self.leases.values():
            limits.append(current if now < ends else min(current, FALLBACK_A))
        if self.required and REQUIRED not in self.leases:
            limits.append(FALLBACK_A)
        limits += [FALLBACK_A for source in self.kept if source not in self.leases]
        allowed = min(limits)
        assert bench.pilot.offered <= (allowed if allowed >= 6 else 0), (limits, bench.state())

    @invariant()
    def energises_only_a_session_that_is_on_flash(self) -> None:
        bench = self.bench
        if bench.pilot.permitted:
            session = bench.charger.sessions.session
            assert session is not None and not bench.pilot.faults
            flash = b"".join(bench.storage.files.values())
            assert session.session_id.encode() in flash

    @invariant()
    def events_are_numbered_without_gap_and_mean_one_thing(self) -> None:
        meant: dict[tuple[str, int], dict[str, Any]] = {}
        for event in self.bench.of("event"):
            body = {name: value for name, value in event.items() if name != "oldest_seq"}
            assert meant.setdefault((event["boot_id"], event["seq"]), body) == body

    @invariant()
    def registers_never_go_back(self) -> None:
        seen = [message["energy_wh"] for message in self.bench.of("state") if message["energy_wh"] is not None]
        assert seen == sorted(seen)

    def teardown(self) -> None:
        """In the end, with everything well again, the ledger has every session and every Wh."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.storage.left = None
        bench.link.accepts = bench.acks = True
        bench.pilot.faults = []
        bench.cp("A")
        bench.connect()
        bench.run(120)
        started = {event["session_id"]: event for event in bench.events("session_started")}
        ended = {event["session_id"]: event for event in bench.events("session_ended")}
        assert started.keys() == ended.keys()
        ends = [event["session_id"] for event in bench.events("session_ended")]
        assert len(ends) == len(set(ends)), "no session ends twice"
        energy = sum(event["energy_wh"] - event["start_energy_wh"] for event in ended.values())
        assert energy == int(bench.meter.wh) - 1000, "every Wh belongs to one session"
        assert bench.charger.journal.pending == 0
        for boot_id in {event["boot_id"] for event in bench.events()}:
            numbers = sorted(event["seq"] for event in bench.events() if event["boot_id"] == boot_id)
            assert numbers == list(range(1, len(numbers) + 1))


ChargerLife.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestChargerLife = ChargerLife.TestCase
