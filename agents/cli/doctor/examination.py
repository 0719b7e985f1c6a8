"""``chargebus doctor``: checks a live bus against the contract.

:func:`examine` listens and probes (:mod:`agents.cli.doctor.edge`); :func:`diagnose` applies the rules to what was
seen, and :func:`render` shows what they found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from agents.cli.doctor import broker as doctor_broker
from agents.cli.doctor import folder as doctor_folder
from agents.cli.doctor import liveness as doctor_liveness
from agents.cli.doctor import rules as doctor_rules
from agents.cli.doctor import settings as doctor_settings
from agents.cli.doctor.broker_settings import UnreadableSettings, read_settings
from agents.cli.doctor.edge import Edge
from agents.cli.doctor.folder import with_folder
from agents.cli.doctor.snapshot import Finding, Snapshot
from agents.cli.exits import CliError, ExitCode
from agents.runtime.agent import Clock
from agents.runtime.clock import SystemClock
from agents.runtime.mqtt.options import MqttOptions
from bus_schema.words import Severity

LISTEN_S = 12.0
"""How long to listen unless told otherwise: every charger publishes its state at least every 10 s."""

MOSQUITTO_CONF = Path("/etc/mosquitto/mosquitto.conf")
"""Where Mosquitto's packages keep its configuration."""

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_WORST_FIRST = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
_STYLES = {Severity.CRITICAL: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


async def examine(
    logins: Sequence[MqttOptions],
    site: str,
    seconds: float = LISTEN_S,
    *,
    probe: bool = True,
    settings_file: Path | None = None,
    clock: Clock | None = None,
    person: str | None = None,
    config: Path | None = None,
) -> list[Finding]:
    """Return what is wrong at ``site``, the worst first; an empty list if nothing is.

    ``probe`` publishes under the id ``doctor-probe`` in order to find holes in the access list and small queues;
    without it nothing is published. ``logins`` are those of ``person``, each for one connection at a time; probing
    takes two. ``settings_file`` is the broker's configuration; None looks for Mosquitto's own
    if the broker runs on this computer at the port that the file names. ``config`` is the site's ``site.toml``: what
    lies beside it is looked at, too.

    Raises :class:`CliError`: ``UNREACHABLE`` if the broker is not there, ``CONFIGURATION`` if ``settings_file`` cannot
    be read.
    """
    settings = _settings(logins[0], settings_file)
    edge = Edge(logins, site, SystemClock() if clock is None else clock, person or logins[0].username)
    snapshot = await edge.observe(seconds, probe)
    return diagnose(with_folder(replace(snapshot, settings=settings), config, settings))


def diagnose(snapshot: Snapshot) -> list[Finding]:
    """Return what the rules find in a snapshot, the worst first, each finding once."""
    rules = (
        *doctor_rules.RULES,
        *doctor_liveness.RULES,
        *doctor_broker.RULES,
        *doctor_settings.RULES,
        *doctor_folder.RULES,
    )
    seen = snapshot.without_probes()
    found = dict.fromkeys(finding for rule in rules for finding in rule(seen))
    return sorted(found, key=lambda finding: (_WORST_FIRST.index(finding.severity), finding.check, finding.where))


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Tell whether a script may go on: nothing was found but what is only worth knowing."""
    return all(finding.severity is Severity.INFO for finding in findings)


def render(findings: list[Finding]) -> RenderableType:
    """Return the findings for people: one paragraph each, and a line with the sum."""
    if not findings:
        return Text("Nothing is wrong.", style="green")
    paragraphs = [_paragraph(finding) for finding in findings]
    counts = [(severity, sum(finding.severity is severity for finding in findings)) for severity in _WORST_FIRST]
    return Group(*paragraphs, Text(", ".join(f"{count} {severity}" for severity, count in counts if count)))


def _paragraph(finding: Finding) -> Text:
    return Text.assemble(
        (f"{finding.severity:<9}", _STYLES[finding.severity]),
        (finding.where, "bold"),
        f"  ({finding.check})\n  {finding.what}\n  → {finding.remedy}\n",
    )


def _settings(connection: MqttOptions, given: Path | None) -> dict[str, str] | None:
    try:
        if given is not None:
            return read_settings(given)
    except UnreadableSettings as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error
    if connection.host not in _LOCAL:
        return None
    try:
        found = read_settings(MOSQUITTO_CONF)
    except UnreadableSettings:
        return None
    listener = found.get("listener", found.get("port", "1883")).split(" ")[0]
    return found if listener == str(connection.port) else None
