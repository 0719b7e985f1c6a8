"""How ``status`` looks."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.cli.looking.picture import ChargerPicture, SitePicture
from agents.cli.screen import plain_table
from bus_schema.charger_messages import State, Telemetry
from bus_schema.words import ChargerStatus, Severity

STATUS_STYLE: dict[ChargerStatus, str] = {
    ChargerStatus.AVAILABLE: "cyan",
    ChargerStatus.PREPARING: "yellow",
    ChargerStatus.CHARGING: "green",
    ChargerStatus.SUSPENDED_EV: "yellow",
    ChargerStatus.SUSPENDED_EVSE: "yellow",
    ChargerStatus.FINISHING: "blue",
    ChargerStatus.RESERVED: "magenta",
    ChargerStatus.UNAVAILABLE: "bright_black",
    ChargerStatus.FAULTED: "bold red",
}
"""Colour of each status."""

_SEVERITY_STYLE = {Severity.INFO: "cyan", Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}


def render(site: str, picture: SitePicture) -> RenderableType:
    """Return the site as tables."""
    charging = sum(charger.is_charging for charger in picture.chargers.values())
    online = sum(charger.is_online for charger in picture.chargers.values())
    headline = Text(f"Site {site}: {_chargers_in_words(picture)}, {online} online, {charging} charging", "bold")
    parts: list[RenderableType] = [headline]
    if picture.chargers:
        parts.append(_chargers(picture))
    if picture.agents:
        parts.append(_agents(picture))
    parts += [_alarm(name, picture) for name in sorted(picture.alarms)]
    parts += [Text(f"unreadable: {topic}: {why}", "red") for topic, why in picture.unreadable.items()]
    return Group(*parts)


def _chargers_in_words(picture: SitePicture) -> str:
    return "1 charger" if len(picture.chargers) == 1 else f"{len(picture.chargers)} chargers"


def _table(*headings: str) -> Table:
    return plain_table(*headings, right=("offers", "draws", "power", "energy"))


def _chargers(picture: SitePicture) -> Table:
    table = _table("charger", "status", "pilot", "offers", "draws", "power", "energy", "who", "limited by")
    for name, charger in sorted(picture.chargers.items(), key=lambda item: _natural(item[0])):
        table.add_row(name, *_row(charger))
    return table


def _natural(name: str) -> tuple[str, int]:
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :] or 0)


def _row(charger: ChargerPicture) -> list[RenderableType]:
    state = charger.state
    if state is None:
        return [Text("offline" if not charger.is_online else "unknown", "red"), *[""] * 7]
    if not charger.is_online:
        return [Text(f"offline (was {state.status})", "red"), *[""] * 7]
    if not charger.is_current:
        return [Text(f"starting (was {state.status})", "yellow"), *[""] * 7]
    session = state.session
    return [
        Text(state.status, STATUS_STYLE[state.status]),
        state.cp_state,
        f"{state.offered_current_a:.1f} A" if state.offered_current_a else "",
        _drawn(charger.telemetry),
        _power(charger.telemetry),
        "" if session is None else f"{session.energy_wh / 1000:.3f} kWh",
        "" if session is None else session.authorized_by,
        _remarks(state),
    ]


def _drawn(telemetry: Telemetry | None) -> str:
    if telemetry is None:
        return ""
    phases = (telemetry.current_l1_a, telemetry.current_l2_a, telemetry.current_l3_a)
    known = [current for current in phases if current is not None]
    return f"{max(known):.1f} A" if known else ""


def _power(telemetry: Telemetry | None) -> str:
    return "" if telemetry is None or telemetry.power_w is None else f"{telemetry.power_w / 1000:.2f} kW"


def _remarks(state: State) -> Text:
    text = Text(state.limit_reason)
    for fault in state.faults:
        text.append(f"  {fault.fault}: {fault.detail}".rstrip(": "), "bold red")
    if state.reservation is not None:
        text.append(f"  reserved ({state.reservation.reservation_id})", "magenta")
    if state.paused:
        text.append("  paused", "yellow")
    if not state.available:
        text.append("  out of service", "bright_black")
    if state.journal_pending:
        waiting = "1 event waits" if state.journal_pending == 1 else f"{state.journal_pending} events wait"
        text.append(f"  {waiting} for the ledger", "yellow")
    return text


def _agents(picture: SitePicture) -> Table:
    table = _table("agent", "health", "received", "rejected", "dropped", "problems")
    for name, health in sorted(picture.agents.items()):
        word = Text("online", "green") if health.online else Text("offline", "red")
        counts = (str(health.received), str(health.rejected), str(health.dropped))
        # As text: a problem that names a table of site.toml has square brackets, which rich would take for its own.
        table.add_row(name, word, *counts, Text("; ".join(health.problems)))
    return table


def _alarm(name: str, picture: SitePicture) -> Text:
    alarm = picture.alarms[name]
    return Text.assemble(
        (f"{alarm.severity} {name}: ", _SEVERITY_STYLE[alarm.severity]), alarm.text, f" {alarm.remedy}".rstrip()
    )
