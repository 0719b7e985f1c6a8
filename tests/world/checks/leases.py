"""Invariant 3: expiry never raises. An independent model of the leases bounds what a charger may offer."""

from dataclasses import dataclass, field
from typing import Any

from bus_schema import Address, ContractError, Message
from bus_schema.charger_messages import Meta, State
from bus_schema.charger_settings import ChargerSettings
from bus_schema.command import CommandReply, Configure, ReleaseLimit, SetLimit, may_speak_as
from bus_schema.topics import CHARGER_COMMAND, CHARGER_COMMAND_REPLY, CHARGER_META, CHARGER_STATE
from bus_schema.words import ReplyStage
from tests.world.charger_box import ChargerBox
from tests.world.checks.base import Check

GRACE_MS = 100
"""Longest time from the moment a limit falls until the pilot shows it."""

HUNG_MS = 2_500
"""A hung app cannot lower anything: the control pilot opens the contactor when the heartbeat is missed for 2 s."""

ROUNDING_A = 0.05


@dataclass
class _Lease:
    current_a: float
    ends_ms: int
    since_ms: int


@dataclass
class _Model:
    """What one charger was told, as its own answers confirm it."""

    settings: dict[str, Any] = field(default_factory=lambda: ChargerSettings().model_dump())
    leases: dict[str, _Lease] = field(default_factory=dict)
    remembered: set[str] = field(default_factory=set)
    """Sources that held a lease before the last boot and have not spoken since."""
    asked: dict[str, tuple[SetLimit | ReleaseLimit | Configure, int]] = field(default_factory=dict)
    """Delivered and not answered yet, with the time."""
    answered: set[str] = field(default_factory=set)
    """Ids that this boot has answered: the same one again changes nothing."""
    unsure: list[dict[str, Any]] = field(default_factory=list)
    """Settings that were asked for when the power went: they may or may not have been kept."""
    fell_ms: int = 0
    """When the bound last fell."""
    bound_a: float = 1000.0


class ExpiryNeverRaises(Check):
    """The offered current is at most the minimum over all sources, each at its lease, or once that has run out at
    the smaller of lease and fallback; a required source without a lease counts as the fallback.
    """

    invariant = 3
    from_chargers = (CHARGER_COMMAND_REPLY, CHARGER_META, CHARGER_STATE)

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._models: dict[str, _Model] = {}

    def booted(self, box: ChargerBox) -> None:
        model = self._models.setdefault(box.id, _Model())
        model.remembered |= set(model.leases)
        model.leases.clear()
        for command, _ in model.asked.values():
            if isinstance(command, Configure):
                model.unsure.append(dict(command.settings))
            else:
                # The app may have forgotten the source already, or not yet know it.
                model.remembered.discard(command.source)
        model.asked.clear()
        model.answered.clear()
        self._bound_changed(box, model)

    def received(self, box: ChargerBox, address: Address, payload: bytes, retained: bool) -> None:
        if address.topic is not CHARGER_COMMAND or retained:
            return
        try:
            command = CHARGER_COMMAND.decode(payload)
        except ContractError:
            return
        if not may_speak_as(address.ids["sender"], command.source):
            return
        model = self._models[box.id]
        if isinstance(command, SetLimit | ReleaseLimit | Configure) and command.id not in model.answered:
            model.asked.setdefault(command.id, (command, self.world.loop.now_ms))

    def published(self, box: ChargerBox, address: Address, message: Message, taken: bool) -> None:
        model = self._models[box.id]
        if isinstance(message, CommandReply):
            self._answered(box, model, message)
        elif isinstance(message, Meta):
            self._told(model, message)
            self._bound_changed(box, model)
        elif isinstance(message, State):
            self._compare(box, model, message)

    def _answered(self, box: ChargerBox, model: _Model, reply: CommandReply) -> None:
        model.answered.add(reply.id or "")
        asked = model.asked.pop(reply.id or "", None)
        if asked is None or reply.stage is not ReplyStage.DONE:
            return
        command, at_ms = asked
        if isinstance(command, SetLimit):
            model.remembered.discard(command.source)
            model.leases[command.source] = _Lease(command.current_a, at_ms + command.valid_for_s * 1000, at_ms)
            ends_ms = at_ms + command.valid_for_s * 1000
            # Looked at shortly after the end whether or not the charger wakes up then.
            self.world.loop.at(ends_ms, lambda: self._bound_changed(box, model))
            self.world.loop.at(ends_ms + GRACE_MS, lambda: self.stepped(box))
        elif isinstance(command, ReleaseLimit):
            model.remembered.discard(command.source)
            model.leases.pop(command.source, None)
        else:
            self._require(model, command.settings.get("required_sources", model.settings["required_sources"]))
            model.settings.update(command.settings)
        self._bound_changed(box, model)

    def _require(self, model: _Model, sources: list[str]) -> None:
        # Whoever takes a requirement back says that this source need not be awaited any longer.
        model.remembered -= set(model.settings["required_sources"]) - set(sources)
        model.settings["required_sources"] = sources

    def _told(self, model: _Model, meta: Meta) -> None:
        for patch in model.unsure:
            if patch.get("fallback_current_a", -1) == meta.fallback_current_a:
                model.settings["fallback_current_a"] = meta.fallback_current_a
            if patch.get("required_sources") == meta.required_sources:
                self._require(model, meta.required_sources)
            if "max_current_a" in patch:
                model.settings["max_current_a"] = max(model.settings["max_current_a"], patch["max_current_a"])
        model.unsure.clear()

    def _compare(self, box: ChargerBox, model: _Model, state: State) -> None:
        """A lease as the charger tells it never outlives what was granted."""
        now_ms = self.world.loop.now_ms
        for told in state.leases:
            lease = model.leases.get(told.source)
            if lease is None:
                self.fail(box.id, f"it tells of a lease of {told.source} that it was never given")
            elif told.current_a > lease.current_a + ROUNDING_A:
                self.fail(box.id, f"lease of {told.source}: {told.current_a} A instead of {lease.current_a} A")
            elif told.remaining_s * 1000 > max(0, lease.ends_ms - now_ms) + 1000:
                self.fail(
                    box.id, f"lease of {told.source} has {told.remaining_s} s left, {lease.ends_ms - now_ms} ms granted"
                )

    def bound_a(self, model: _Model) -> float:
        """Return the most that may be offered now."""
        settings, now_ms = model.settings, self.world.loop.now_ms
        fallback_a = settings["fallback_current_a"]
        patches = [p["fallback_current_a"] for p in model.unsure if "fallback_current_a" in p]
        fallback_a = max([fallback_a, *patches])
        limits = [max([settings["max_current_a"], *(p.get("max_current_a", 0) for p in model.unsure)])]
        for lease in model.leases.values():
            limits.append(lease.current_a if now_ms < lease.ends_ms else min(lease.current_a, fallback_a))
        required, awaited = set(settings["required_sources"]), set(model.remembered)
        for patch in model.unsure:
            awaited -= required - set(patch.get("required_sources", required))
            required &= set(patch.get("required_sources", required))
        if (required | awaited) - set(model.leases):
            limits.append(fallback_a)
        return min(limits)

    def _bound_changed(self, box: ChargerBox, model: _Model) -> None:
        bound_a = self.bound_a(model)
        if bound_a < model.bound_a:
            model.fell_ms = self.world.loop.now_ms
        model.bound_a = bound_a

    def stepped(self, box: ChargerBox) -> None:
        model = self._models.get(box.id)
        if model is None or not box.powered:
            return
        if box.silent and not box.hardware.contactor.closed:
            return  # Only a living app can have it closed: what the pilot still offers, nobody can draw.
        if self.world.loop.now_ms < box.hung_ms + HUNG_MS:
            return
        offered_a = box.hardware.snapshot().offered_current_a
        if offered_a <= model.bound_a + ROUNDING_A or self.world.loop.now_ms < model.fell_ms + GRACE_MS:
            return
        leases = {source: (lease.current_a, lease.ends_ms) for source, lease in model.leases.items()}
        self.fail(
            box.id,
            f"it offers {offered_a} A where at most {model.bound_a} A are allowed: leases (A, until ms) {leases}, "
            f"silent since boot {sorted(model.remembered)}, settings {model.settings}",
        )
