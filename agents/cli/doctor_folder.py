"""What the doctor sees in a site's folder, where the authority's own is there: rights as they should be, and ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from agents.cli import pki_register
from agents.cli.doctor_snapshot import Finding, Snapshot
from agents.cli.exits import CliError, ExitCode
from agents.runtime.certificate import EXPIRES_SOON
from agents.runtime.config_errors import ConfigError
from bus_schema.words import Severity


def with_folder(snapshot: Snapshot, config: Path | None, settings: Mapping[str, str] | None) -> Snapshot:
    """Return ``snapshot`` with what lies beside the ``site.toml`` at ``config``, and the list that the broker reads.

    Raises :class:`CliError` (``CONFIGURATION``) for certificates or a configuration that cannot be read.
    """
    # What reads certificates takes as long to import as all the rest of the command line.
    from agents.cli.pki_authority import PkiError, all_issued
    from agents.cli.pki_revocation import revoked_serials
    from agents.cli.pki_rights import ACCESS_LIST, BROKER, PKI, access_list

    folder = None if config is None else config.absolute().parent
    if folder is None or not (folder / PKI / pki_register.FILE).exists():
        return replace(snapshot, access_list=_text(Path((settings or {}).get("acl_file", ""))))
    try:
        revoked = revoked_serials(folder / PKI)
        issued = [each for each in all_issued(folder / PKI) if each.serial not in revoked]
        due = access_list(folder)
    except (PkiError, ConfigError) as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from None
    return replace(
        snapshot,
        access_list=_text(folder / BROKER / ACCESS_LIST),
        access_list_due=due,
        certificates={each.name: each.ends for each in issued},
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
                f"chargebus pki server HOST… --renew for the broker, else chargebus pki renew {name}.",
            )


RULES: tuple[Callable[[Snapshot], Iterable[Finding]], ...] = (ends,)
"""Every rule about the site's folder."""
