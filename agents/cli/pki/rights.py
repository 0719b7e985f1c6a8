"""What a site's broker reads: certificates, the list of revoked ones, and the access list made from both.

All of it lies in the folder ``broker`` of the site's folder. Who has a certificate that is not revoked is a user of
the broker with the rights of the role in it; ``site.toml`` tells as which chargers ``csms`` may write.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents.cli.pki.authority import CA, Issued, PkiError, all_issued
from agents.cli.pki.revocation import FILE as REVOKED
from agents.cli.pki.revocation import revoked_serials
from agents.cli.whole_file import write_whole
from agents.registry import load_site, settings_type
from agents.runtime.configuration.site_config import SiteConfig
from bus_schema import Role
from bus_schema.generate.acl import DEVICES as DEVICE_ROLES
from bus_schema.generate.acl import User, device_user, mosquitto_acl, person_users

BROKER = "broker"
"""Name of the broker's certificate, of its folder, and of its service in ``compose.yaml``."""

PKI, SITE_FILE, ENVIRONMENT_FILE, ACCESS_LIST = "pki", "site.toml", "compose.env", "mosquitto.acl"
"""Names in the site's folder; the access list is in the broker's."""

PUBLIC, PRIVATE = 0o644, 0o600


def users(pki: Path) -> list[User]:
    """Return who may connect: everybody with a certificate that is not revoked. Raises ``PkiError``."""
    revoked = revoked_serials(pki)
    issued = {each.name: each for each in all_issued(pki) if each.name != CA and not each.server}
    return [_user(each, issued) for each in issued.values() if each.serial not in revoked and each.role in set(Role)]


def _user(issued: Issued, everybody: dict[str, Issued]) -> User:
    role = Role(issued.role)
    if role in DEVICE_ROLES:
        return device_user(role, issued.name)
    base = issued.name.rpartition("-")[0]
    if role is Role.TECHNICIAN and base in everybody:
        further = {user.name: user for user in person_users(base)}
        if issued.name in further:
            return further[issued.name]
    return User(issued.name, role, issued.name)


def station_chargers(site: SiteConfig) -> list[str]:
    """Return the chargers that ``csms`` brings onto the bus, by the site's configuration."""
    settings: Any = site.settings("csms", settings_type("csms"))
    return [
        f"{station}-{number}"
        for station, wanted in settings.stations.items()
        if wanted.on_bus
        for number in range(1, wanted.connectors + 1)
    ]


def read_meters(site: SiteConfig) -> list[str]:
    """Return the meters that ``grid_meter`` reads, by the site's configuration."""
    settings: Any = site.settings("grid_meter", settings_type("grid_meter"))
    return list(settings.meters)


def access_list(folder: Path) -> str:
    """Return the access list of the site in ``folder``.

    Raises ``PkiError`` and :class:`agents.runtime.configuration.site_config.ConfigError`.
    """
    site = load_site(folder / SITE_FILE)
    return mosquitto_acl(site.site, users(folder / PKI), station_chargers(site), read_meters(site))


def give_to_broker(folder: Path) -> Iterator[str]:
    """Bring the broker's folder up to date; yield a line for each file that changed. Raises as above, and OSError."""
    target = folder / BROKER
    # A container reads the folder as a user of its own; the site's folder keeps everybody else on this machine out.
    key_mode = PUBLIC if (folder / ENVIRONMENT_FILE).exists() else PRIVATE
    files = {ACCESS_LIST: (access_list(folder).encode(), PUBLIC)}
    for name, mode in (
        (f"{CA}.pem", PUBLIC),
        (REVOKED, PUBLIC),
        (f"{BROKER}.pem", PUBLIC),
        (f"{BROKER}.key", key_mode),
    ):
        try:
            files[name] = ((folder / PKI / name).read_bytes(), mode)
        except FileNotFoundError:
            raise PkiError(
                f"{folder / PKI / name} is missing: bring it back from the backup; if an earlier version made this "
                f"folder, run `chargebus prepare SITE HOST… --folder {folder}` as it was typed first "
                "(docs/upgrading.md)"
            ) from None
    if not target.exists():
        target.mkdir()
        target.chmod(0o755)  # whatever mask the user has
    for name, (data, mode) in files.items():
        path = target / name
        was_there = path.exists()
        if was_there and path.read_bytes() == data:
            continue
        write_whole(path, data, mode)
        _belongs_to_owner_of(target, path)
        yield f"{'updated' if was_there else 'made'} {path}"


def _belongs_to_owner_of(folder: Path, path: Path) -> None:
    """Give a file to the folder's owner: Mosquitto reads its key again at SIGHUP, when it is no longer root."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
