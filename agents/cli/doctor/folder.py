"""What the doctor sees in a site's folder, where the authority's own is there: rights as they should be, and ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.cli.doctor.snapshot import Finding, Snapshot
from agents.cli.exits import CliError, ExitCode
from agents.cli.pki import register as pki_register
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.mqtt.certificate import EXPIRES_SOON
from bus_schema import Role
from bus_schema.charger_messages import Online
from bus_schema.topics import CHARGER_ONLINE
from bus_schema.words import Severity


def with_folder(snapshot: Snapshot, config: Path | None, settings: Mapping[str, str] | None) -> Snapshot:
    """Return ``snapshot`` with what lies beside the ``site.toml`` at ``config``, and the list that the broker reads.

    Raises :class:`CliError` (``CONFIGURATION``) for certificates or a configuration that cannot be read.
    """
    # What reads certificates takes as long to import as all the rest of the command line.
    from agents.cli.pki.authority import PkiError, all_issued
    from agents.cli.pki.revocation import revoked_serials
    from agents.cli.pki.rights import ACCESS_LIST, BROKER, PKI, SITE_FILE, access_list
    from agents.cli.prepare.earlier import site_meters
    from agents.registry import load_site, settings_type

    folder = None if config is None else config.absolute().parent
    if folder is None or not (folder / PKI / pki_register.FILE).exists():
        earlier = folder is not None and (folder / PKI / "ca.key").exists()
        return replace(
            snapshot,
            access_list=_text(Path((settings or {}).get("acl_file", ""))),
            unconverted=str(folder) if earlier else None,
        )
    try:
        revoked = revoked_serials(folder / PKI)
        issued = [each for each in all_issued(folder / PKI) if each.serial not in revoked]
        due = access_list(folder)
        site = load_site(folder / SITE_FILE)
        meters = site_meters(site)
        balancer: Any = site.settings("load_balancer", settings_type("load_balancer"))
    except (PkiError, ConfigError) as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from None
    return replace(
        snapshot,
        access_list=_text(folder / BROKER / ACCESS_LIST),
        access_list_due=due,
        certificates={each.name: each.ends for each in issued},
        certified_chargers=frozenset(each.name for each in issued if each.role == Role.CHARGER),
        named_chargers=frozenset(balancer.chargers),
        wrong_meters=frozenset(each.name for each in issued if each.name in meters and each.role != Role.METER),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def ends(snapshot: Snapshot) -> Iterator[Finding]:
    """Certificates that end soon or have ended."""
    now = datetime.fromtimestamp(snapshot.now_ms / 1000, UTC)
    for name, end in sorted(snapshot.certificates.items()):
        if end - now < EXPIRES_SOON:
            over = end <= now
            yield Finding(
                Severity.CRITICAL if over else Severity.WARNING,
                "certificate",
                name,
                f"it {'ended' if over else 'ends'} on {end:%Y-%m-%d}: the broker lets nobody in with it then",
                f"chargebus renew-certificate {name}."
                if name in snapshot.certified_chargers and not over
                else f"chargebus pki server HOST… --renew for the broker, else chargebus pki renew {name}.",
            )


def earlier(snapshot: Snapshot) -> Iterator[Finding]:
    """What an earlier version of chargebus has left."""
    if snapshot.unconverted is not None:
        yield Finding(
            Severity.CRITICAL,
            "upgrade",
            snapshot.unconverted,
            "an earlier version made this folder: it has no access list of this version, and nobody can be shut out",
            f"chargebus prepare SITE HOST… --folder {snapshot.unconverted}, as it was typed first: docs/upgrading.md.",
        )
    for name in sorted(snapshot.wrong_meters):
        yield Finding(
            Severity.CRITICAL,
            "acl",
            name,
            "site.toml names it as a grid meter, but its certificate is not a meter's: its readings are thrown away",
            f"chargebus prepare SITE HOST… --folder FOLDER --meter {name}, then chargebus pki apply.",
        )


def strangers(snapshot: Snapshot) -> Iterator[Finding]:
    """Chargers of the site that the access list gives no rights."""
    if snapshot.access_list_due is None:
        return
    users = {line.removeprefix("user ") for line in snapshot.access_list_due.splitlines() if line.startswith("user ")}
    here = {heard.charger: heard.message for heard in snapshot.latest(CHARGER_ONLINE) if heard.charger is not None}
    online = {name for name, said in here.items() if isinstance(said, Online) and said.online}
    for name in sorted((online | snapshot.named_chargers) - users):
        if f"/charger/{name}/" not in snapshot.access_list_due:
            yield Finding(
                Severity.CRITICAL,
                "acl",
                name,
                "it is on this bus or in site.toml, but has no certificate in this folder, so that the access list "
                "gives it no rights: what it says is thrown away",
                f"chargebus pki issue {name}: with that the certificate that it has counts again, too. If it is gone "
                "for good, remove it from site.toml.",
            )


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (ends, earlier, strangers)
"""Every rule about the site's folder."""
