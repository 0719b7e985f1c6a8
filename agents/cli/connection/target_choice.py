"""Finding out which site is meant: from options, environment, ``site.toml``, or a running ``chargebus up``.

An option wins over the environment (typer reads both), those win over the file. The file is ``--config`` or
``CHARGEBUS_CONFIG``, else ``site.toml`` in this folder, else the one that a running ``chargebus up`` has written.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agents.cli import up_lock
from agents.cli.connection.logins import Login
from agents.cli.connection.target import USER, Target
from agents.cli.exits import CliError, ExitCode
from agents.cli.values import site_id
from agents.runtime.configuration.config_errors import ConfigError
from agents.runtime.mqtt.options import MqttOptions
from bus_schema.generate.acl import person_users

if TYPE_CHECKING:
    from agents.runtime.configuration.site_config import SiteConfig

SITE_FILE = "site.toml"
"""Name of a site's configuration."""

UP_DATA = Path("var") / "up"
"""Where ``chargebus up`` keeps its data unless told otherwise."""

DEFAULT_PORT = 1883
"""Port of a broker that is named without one."""

_HOW = (
    "give --broker and --site, or --config FILE (CHARGEBUS_CONFIG), or work in a folder with a site.toml, "
    "or start a site with `chargebus up`"
)


def choose_target(
    broker: str | None, site: str | None, config: Path | None, folder: Path, person: str = USER
) -> Target:
    """Return the site that is meant, and the logins of ``person`` there.

    Raises :class:`CliError` (``CONFIGURATION``) if none is, or the file is wrong.
    """
    path = _file(config, folder)
    if path is None and (broker is None or site is None):
        known = "" if broker is None and site is None else " (a site and a broker are both needed)"
        raise CliError(ExitCode.CONFIGURATION, f"which site?{known} {_HOW}")
    # A broker and a site that are both named need no file, unless one is named too.
    complete = broker is not None and site is not None and config is None
    target = Target.at("", DEFAULT_PORT, "", person=person) if path is None or complete else _of_file(path, person)
    if site is not None:
        target = replace(target, site=site_id(site))
    if broker is not None:
        target = target.with_broker(*host_and_port(broker))
    return target


def load_config(path: Path) -> SiteConfig:
    """Read a ``site.toml``; its error, which names file, line and key, ends the command."""
    from agents.registry import AGENTS
    from agents.runtime.configuration.site_config import load_site

    try:
        return load_site(path, known=AGENTS)
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error


def config_file(config: Path | None, folder: Path) -> Path:
    """Return the configuration that is meant. Raises :class:`CliError` (``CONFIGURATION``) if there is none."""
    path = _file(config, folder)
    if path is None:
        raise CliError(
            ExitCode.CONFIGURATION, f"there is no {SITE_FILE} here; give --config FILE or set CHARGEBUS_CONFIG"
        )
    return path


def _file(config: Path | None, folder: Path) -> Path | None:
    if config is not None:
        return config
    here = folder / SITE_FILE
    if here.exists():
        return here
    data = folder / UP_DATA
    return data / SITE_FILE if up_lock.is_held(data) else None


def _of_file(path: Path, person: str) -> Target:
    config = load_config(path)
    users = [user.name for user in person_users(person)]
    # A person may have fewer logins than the broker allows; without a file there is only the name.
    logins = [_login(config, user) for user in users if user == person or _has_secret(config, user)]
    return Target(config.site, tuple(logins), path, person)


def _secret_file(config: SiteConfig, user: str) -> Path | None:
    named = config.broker.key_file or config.broker.password_file
    return None if named is None else config.resolve(named, user)


def _has_secret(config: SiteConfig, user: str) -> bool:
    file = _secret_file(config, user)
    return file is not None and file.exists()


def _login(config: SiteConfig, user: str) -> Login:
    settings = config.broker
    try:
        password = config.broker_password(user)
    except ConfigError as error:
        raise CliError(ExitCode.CONFIGURATION, str(error)) from error

    def file(name: Path | None) -> Path | None:
        return None if name is None else config.resolve(name, user)

    options = MqttOptions(
        host=settings.host,
        port=settings.port,
        client_id="",
        username=config.broker_username(user) or None,
        password=password,
        clean_session=True,
        keepalive_s=settings.keepalive_s,
        tls=settings.tls,
        ca_file=file(settings.ca_file),
        cert_file=file(settings.cert_file),
        key_file=file(settings.key_file),
    )
    return Login(options, _secret_file(config, user))


def host_and_port(broker: str) -> tuple[str, int]:
    """Return the parts of ``HOST[:PORT]``. Raises :class:`typer.BadParameter`."""
    host, colon, port = broker.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):  # a name, or an IPv6 address without a port
        return broker.strip("[]"), DEFAULT_PORT
    if not port.isdecimal() or not 1 <= int(port) <= 65535 or not host:
        raise typer.BadParameter(f"{broker!r} is not a broker; write HOST or HOST:PORT", param_hint="--broker")
    return host.strip("[]"), int(port)
