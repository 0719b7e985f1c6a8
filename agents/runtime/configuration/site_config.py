"""``site.toml``: one file that configures a site, validated before anything starts.

::

    site = "garage"

    [broker]
    host = "broker.local"

    [ledger]
    metrics_port = 9101

Every table is a pydantic model; an agent's table is its ``settings_type``. An error names the file, the line and the
key, says what is allowed, and never shows a secret.
"""

import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from agents.runtime.configuration.config_errors import ConfigError, SettingError, first_problem, unknown_key
from agents.runtime.configuration.toml_lines import line_of
from bus_schema import Id

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = [
    "AgentSettings",
    "BrokerSettings",
    "ConfigError",
    "FilePath",
    "LogSettings",
    "SettingError",
    "Settings",
    "SiteConfig",
    "StoreSettings",
    "load_site",
]

B = TypeVar("B", bound=BaseModel)


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    return path if info.context is None else (info.context / path).absolute()


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_from_folder)]
"""A path in ``site.toml``; a relative one starts at the folder of that file."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""


class Settings(BaseModel):
    """Base of every table of ``site.toml``: frozen, strictly typed, no unknown keys, documented by docstrings."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class AgentSettings(Settings):
    """What every agent's table has. An agent's ``settings_type`` derives from this and adds its own."""

    metrics_port: Port | None = None
    """TCP port for Prometheus to read metrics from; without it there are none."""
    metrics_host: str = "127.0.0.1"
    """Address on which the metrics port listens; ``0.0.0.0`` for all networks."""
    hosts: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]], Field(max_length=32)] = []
    """Further names by which the pages, APIs and metrics of this agent may be asked for, such as ``["console.local"]``.
    Its address and ``localhost`` need not be named; any other name is refused, because any page can make one up."""
    queue_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Telemetry messages that may wait for one handler before the oldest are dropped and counted."""


class BrokerSettings(Settings):
    """Where the MQTT broker is and how to log in. ``{agent}`` stands for the name of whoever connects."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Host name or address."""
    port: Port = 1883
    """TCP port: 1883, or 8883 with TLS."""
    username: str = "{agent}"
    """User name; the broker's access list expects the agent's own name."""
    password_file: FilePath | None = None
    """File whose first line is the password, for example ``secrets/{agent}.password``; without it none is sent."""
    ca_file: FilePath | None = None
    """Certificates that the broker's own is checked with (PEM). Setting it switches TLS on."""
    cert_file: FilePath | None = None
    """This client's certificate (PEM), if the broker wants one; may contain ``{agent}``."""
    key_file: FilePath | None = None
    """Private key of ``cert_file`` (PEM); may contain ``{agent}``."""
    tls: bool = False
    """Whether to use TLS with the system's certificates, without a ``ca_file``."""
    keepalive_s: Annotated[int, Field(ge=5, le=300)] = 20
    """Silence after which broker and client take each other for dead, in seconds (the broker waits 1.5 times)."""

    @field_validator("key_file")
    @classmethod
    def _key_with_certificate(cls, value: Path | None, info: Any) -> Path | None:
        if value is not None and info.data.get("cert_file") is None:
            raise SettingError("needs cert_file beside it")
        return value


class StoreSettings(Settings):
    """Where the agents keep their records."""

    url: str | None = None
    """Database, for example ``postgresql://chargebus@db.local/chargebus``; ``{agent}`` stands for the agent's name.

    Without it every agent has a SQLite file of its own in ``data_dir``.
    """
    password_file: FilePath | None = None
    """File whose first line is the database password; may contain ``{agent}``. Never write it into ``url``."""

    @field_validator("url")
    @classmethod
    def _usable(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Most sites say nothing about it, and then nobody waits for SQLAlchemy.
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(value.replace("{agent}", "agent"))
        except ArgumentError:
            raise SettingError("is not a database URL; use for example postgresql://user@host/database") from None
        if url.password is not None:
            raise SettingError("contains a password; put it into a file and name that as password_file")
        if url.get_backend_name() == "sqlite" and "{agent}" not in value:
            raise SettingError("needs {agent} in the path: agents do not share a SQLite file")
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise SettingError("is of a kind that is not supported; use postgresql://… or sqlite:///…/{agent}.sqlite3")
        return value


class LogSettings(Settings):
    """What the agents write to their standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important level that is written."""
    format: Literal["auto", "json", "text"] = "auto"
    """``json`` for programs, ``text`` for people, ``auto`` for text on a terminal and JSON elsewhere."""


class CommonSettings(Settings):
    """The part of ``site.toml`` that belongs to no agent."""

    site: Id
    """Id of the site: the level of every topic that tells sites apart."""
    data_dir: FilePath = Path("data")
    """Folder for databases and spools; made if it is missing."""
    broker: BrokerSettings = BrokerSettings()
    """The MQTT broker."""
    store: StoreSettings = StoreSettings()
    """The agents' databases."""
    log: LogSettings = LogSettings()
    """Logging."""


@dataclass(frozen=True)
class SiteConfig:
    """A validated ``site.toml``. Agents' tables are validated when they are asked for."""

    path: Path
    """The file."""
    site: str
    """Id of the site."""
    data_dir: Path
    """Folder for databases and spools, absolute."""
    broker: BrokerSettings
    """The MQTT broker."""
    store: StoreSettings
    """The agents' databases."""
    log: LogSettings
    """Logging."""
    tables: Mapping[str, dict[str, Any]] = field(repr=False)
    """The agents' tables as they stand in the file."""
    text: str = field(default="", repr=False)
    """The file's text, to find lines in."""

    def settings(self, name: str, model: type[B]) -> B:
        """Return the table ``[name]`` as ``model``; an absent table is an empty one. Raises :class:`ConfigError`."""
        return _validated(model, self.tables.get(name, {}), (name,), self.path, self.text)

    def resolve(self, path: Path, agent: str) -> Path:
        """Return ``path`` absolute, ``{agent}`` filled in, relative to the folder of the file."""
        return (self.path.parent / str(path).replace("{agent}", agent)).absolute()

    def store_url(self, agent: str, *, local: bool = False) -> "URL":
        """Return the URL of the agent's database, with the password. Raises :class:`ConfigError` if that is unreadable.

        With ``local`` it is a SQLite file in ``data_dir``, whatever the site uses. The environment variable
        ``CHARGEBUS_STORE_PASSWORD`` overrides ``password_file``.
        """
        from sqlalchemy import URL, make_url

        if local or self.store.url is None:
            return URL.create("sqlite", database=str(self.data_dir / f"{agent}.sqlite3"))
        url = make_url(self.store.url.replace("{agent}", agent))
        if url.get_backend_name() == "sqlite":
            return url.set(database=str(self.resolve(Path(url.database or ""), agent)))
        password = self._secret(("store", "password_file"), self.store.password_file, agent, "CHARGEBUS_STORE_PASSWORD")
        return url if password is None else url.set(password=password)

    def broker_username(self, agent: str) -> str:
        """Return the user name that ``agent`` connects with."""
        return self.broker.username.replace("{agent}", agent)

    def broker_password(self, agent: str) -> str | None:
        """Return the agent's broker password, or None. Raises :class:`ConfigError` if the file is unreadable.

        The environment variable ``CHARGEBUS_BROKER_PASSWORD`` overrides ``password_file``.
        """
        return self._secret(("broker", "password_file"), self.broker.password_file, agent, "CHARGEBUS_BROKER_PASSWORD")

    def _secret(self, key: tuple[str, str], path: Path | None, agent: str, variable: str) -> str | None:
        if variable in os.environ:
            return os.environ[variable]
        if path is None:
            return None
        file = self.resolve(path, agent)
        try:
            return file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"cannot read {file}: {getattr(error, 'strerror', None) or 'not UTF-8'}"
            raise ConfigError(self.path, line_of(self.text, key), ".".join(key), reason) from None


def load_site(path: Path | str, known: Collection[str] | None = None) -> SiteConfig:
    """Read and validate ``path``.

    ``known`` are the names of the agents, each of which may have a table; without it any further table is kept.
    ``agents.registry.load_site`` knows them all and validates their tables too.

    Raises :class:`ConfigError`.
    """
    file = Path(path).absolute()
    text, document = _read(file)
    common = {key: value for key, value in document.items() if key in CommonSettings.model_fields}
    tables = {key: value for key, value in document.items() if key not in common}
    for key, value in tables.items():
        if not isinstance(value, dict) or (known is not None and key not in known):
            allowed = [*CommonSettings.model_fields, *(known or ())]
            raise ConfigError(file, line_of(text, (key,)), key, unknown_key(key, allowed))
    valid = _validated(CommonSettings, common, (), file, text)
    return SiteConfig(
        path=file,
        site=valid.site,
        data_dir=(file.parent / valid.data_dir).absolute(),
        broker=valid.broker,
        store=valid.store,
        log=valid.log,
        tables=tables,
        text=text,
    )


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(file, None, "", f"cannot read the file: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, line, "", "is not UTF-8 text") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError.from_toml(file, text, error) from None


def _validated(model: type[B], table: dict[str, Any], prefix: tuple[str, ...], file: Path, text: str) -> B:
    try:
        return model.model_validate(table, context=file.parent)
    except ValidationError as error:
        key, reason = first_problem(model, error)
        path = (*prefix, *key)
        raise ConfigError(file, line_of(text, path), _dotted(path), reason) from None


def _dotted(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
