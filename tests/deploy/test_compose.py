"""compose.yaml and what it mounts: valid, complete, pinned, closed, and in step with the contract and the agents."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.cli.prepare.command import make
from agents.cli.prepare.files import (
    COMPOSE_METRICS_PORT,
    COMPOSE_SECRETS,
    TLS_PORT,
    WITH_DATABASE,
    Kind,
    site_agents,
    wanted,
)
from agents.registry import AGENTS, load_agent, load_site
from agents.runtime.reporting.liveness import ALIVE_FILE
from dashboards.alerts import FOLDER, rule_groups
from dashboards.boards import DASHBOARDS
from dashboards.dashboard import SOURCE
from tests.cli.test_pki import NOW
from tests.deploy.site import ROOT, environment
from tests.missing import missing

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SITE_AGENTS = site_agents(AGENTS)
OPEN_TO_THE_NETWORK = {"broker": [f"${{BROKER_PORT:-{TLS_PORT}}}:{TLS_PORT}"]}
DATABASES_AND_TOOLS = {"broker", "postgres", "influxdb", "grafana", "roles", "tools", "steve", "mariadb"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("compose") / "garage"
    list(make(wanted("garage", ["broker.lan"], Kind.COMPOSE, SITE_AGENTS, ["c1"]), made, NOW))
    return made


def test_compose_itself_takes_it(folder: Path) -> None:
    if shutil.which("docker-compose") is None:
        missing("docker-compose")
    command = ["docker-compose", "--env-file", str(folder / "compose.env"), "-f", "deploy/compose.yaml"]
    profiles = [part for profile in ("tools", "steve") for part in ("--profile", profile)]
    done = subprocess.run(
        [*command, *profiles, "config", "--services"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(SERVICES)
    without = subprocess.run(
        ["docker-compose", "-f", "deploy/compose.yaml", "config", "-q"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment(),
    )  # fmt: skip
    assert without.returncode != 0
    assert "prepare.sh" in without.stderr, "who forgets the folder is told what to do"


def test_every_agent_has_a_service_and_its_own_key_only() -> None:
    assert set(SERVICES) == DATABASES_AND_TOOLS | set(SITE_AGENTS), (
        "an agent of agents/registry.py needs a service of its name, and its {name}.pem and {name}.key under secrets"
    )
    for name in SITE_AGENTS:
        service = SERVICES[name]
        assert service["command"] == ["agent", name]
        keys = {secret for secret in service["secrets"] if secret.endswith(".key")}
        assert keys == {f"{name}.key"}
        assert {"ca.pem", f"{name}.pem"} <= set(service["secrets"])
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]


def test_an_agent_has_its_own_password_of_the_database_and_no_other() -> None:
    """X6: with one role for all, csms' password could write the ledger's records."""
    with_database = {name for name in SITE_AGENTS if load_agent(name).migrations and not load_agent(name).local_store}
    assert set(WITH_DATABASE) == with_database
    for name in SITE_AGENTS:
        held = {secret for secret in SERVICES[name]["secrets"] if secret.endswith("postgres.password")}
        assert held == ({f"{name}.postgres.password"} if name in with_database else set())
    passwords = {f"{name}.postgres.password" for name in with_database}
    assert passwords | {"postgres.password"} == {s for s in SERVICES["roles"]["secrets"]}
    assert passwords <= set(SERVICES["tools"]["secrets"]), "for backups"


def test_only_who_keeps_something_on_disk_has_a_volume() -> None:
    sharing = {name for name in SITE_AGENTS if "agents:/var/lib/chargebus" in SERVICES[name]["volumes"]}
    assert sharing == {"influx_logger"}


def test_everything_that_is_mounted_exists(folder: Path) -> None:
    for name, secret in COMPOSE["secrets"].items():
        path = Path(secret["file"].replace("${CHARGEBUS_FOLDER}", str(folder)))
        assert path.is_file(), name
        assert path.stat().st_mode & 0o004, "a container's own user can read it"
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    assert "ca.key" not in used
    assert {name for name in used if name in COMPOSE_SECRETS} == set(COMPOSE_SECRETS)
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{CHARGEBUS_FOLDER[^}]*\}", str(folder), volume).split(":")[0]
            if source.startswith((".", "/")):
                assert (DEPLOY / source).exists(), volume
            else:
                assert source in COMPOSE["volumes"]
        if "build" in service and not service["build"]["context"].startswith("https:"):
            assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


DIGEST = r"@sha256:[0-9a-f]{64}"


def test_images_are_named_by_digest() -> None:
    """X11: a tag is whatever its owner makes of it tomorrow."""
    for name, service in SERVICES.items():
        pinned = rf":\d+\.\d+[\w.-]*{DIGEST}" if "build" not in service else r":\d+\.\d+\.\d+"
        assert re.search(rf"^[a-z/-]+{pinned}$", service["image"]), f"{name}: {service['image']}"
    assert re.search(r"\.git#[0-9a-f]{40}$", SERVICES["steve"]["build"]["context"]), "a commit, not a tag"
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert re.search(rf"^ARG PYTHON=python:\d+\.\d+\.\d+-[\w-]+{DIGEST}$", dockerfile, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${PYTHON}"}
    # Debian 12's pg_dump saves databases of its own version.
    client = re.search(r"postgresql-client-(\d+)", dockerfile)
    assert client is not None and SERVICES["postgres"]["image"].startswith(f"postgres:{client[1]}.")


def test_everything_is_watched_and_limited() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] in ("unless-stopped", "no")
        assert service["healthcheck"].get("test") or name in ("roles", "tools")
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), "memory"
        assert service["memswap_limit"] == service["mem_limit"], "no more by way of swap"
        assert 0 < service["pids_limit"] <= 1024, "processes"
        assert 0 < service["ulimits"]["nofile"]["hard"] <= 16384, "descriptors"


def test_only_the_brokers_tls_port_is_open() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert port in OPEN_TO_THE_NETWORK.get(name, ()) or port.startswith("127.0.0.1:"), (name, port)
    assert SERVICES["mariadb"]["networks"] == ["steve"] and COMPOSE["networks"]["steve"]["internal"]


def test_no_secret_is_in_the_repository(folder: Path) -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|KEY", key):
                assert key.endswith("_FILE") or value in ("yes", "true"), key
    text = "".join(path.read_text() for path in DEPLOY.rglob("*") if path.is_file())
    assert "BEGIN" not in text and "PRIVATE" not in text
    assert not any((folder / "secrets" / name).read_text() in text for name in COMPOSE_SECRETS)


def test_the_agents_find_the_services(folder: Path) -> None:
    site = load_site(folder / "site.toml")
    assert site.broker.host in SERVICES and site.broker.port == TLS_PORT
    assert site.store_url("influx_logger", local=True).database == "/var/lib/chargebus/influx_logger.sqlite3"
    assert f"@postgres/{SERVICES['postgres']['environment']['POSTGRES_DB']}" in str(site.store.url)
    assert f"//{SERVICES['postgres']['environment']['POSTGRES_USER']}@postgres/" in " ".join(
        SERVICES["roles"]["command"]
    )
    for name in WITH_DATABASE:
        assert str(site.resolve(Path(str(site.store.password_file)), name)) == f"/run/secrets/{name}.postgres.password"
    logger, influxdb = site.tables["influx_logger"], SERVICES["influxdb"]["environment"]
    assert logger["url"] == "http://influxdb:8086"
    assert (logger["org"], logger["bucket"]) == (
        influxdb["DOCKER_INFLUXDB_INIT_ORG"],
        influxdb["DOCKER_INFLUXDB_INIT_BUCKET"],
    )
    assert all(table["metrics_port"] == COMPOSE_METRICS_PORT for table in site.tables.values())
    for name in SITE_AGENTS:
        assert SERVICES[name]["environment"][ALIVE_FILE] in SERVICES[name]["healthcheck"]["test"][-1]
        secrets = {f"/run/secrets/{secret}" for secret in SERVICES[name]["secrets"]}
        assert {str(site.resolve(Path(p), name)) for p in (site.broker.ca_file, site.broker.cert_file)} <= secrets
        assert str(site.resolve(Path(str(site.broker.key_file)), name)) in secrets
    assert str(logger["token_file"]).rpartition("/")[2] in SERVICES["influx_logger"]["secrets"]
    assert {str(site.tables["console"]["port"]), "8080"} == {"8080"}


def test_grafana_is_given_what_the_dashboards_name() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/datasources.yaml").read_text())["datasources"]
    assert {key: source[key] for key in ("type", "uid")} == SOURCE
    assert source["jsonData"]["version"] == "InfluxQL"
    mapped = re.search(r"--db (\w+)", (DEPLOY / "influxdb/map-database.sh").read_text())
    assert mapped is not None and source["jsonData"]["dbName"] == mapped[1]
    token = re.search(r"\$__file\{/run/secrets/(\S+)\}", source["secureJsonData"]["httpHeaderValue1"])
    assert token is not None and token[1] in SERVICES["grafana"]["secrets"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana/dashboards.yaml").read_text())["providers"]
    assert provider["folder"] == FOLDER == rule_groups()["groups"][0]["folder"]
    mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["grafana"]["volumes"]}
    pages = DEPLOY / mounts[provider["options"]["path"]]
    assert {path.stem for path in pages.glob("*.json")} == {board.uid for board in DASHBOARDS}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (pages / Path(home).name).exists()
    # Grafana replaces variables in these files; a dollar of ours would be taken for one.
    annotations = [rule["annotations"] for group in rule_groups()["groups"] for rule in group["rules"]]
    assert not any("${" in text for each in annotations for text in each.values())


def test_the_image_holds_what_is_built(folder: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for part in copied.split():
            assert (ROOT / part).exists()
            assert f"!{part}" in ignored, part
    packages = re.search(r"packages = (\[.+\])", (ROOT / "pyproject.toml").read_text())
    assert packages is not None and all(f"!{name}" in ignored for name in re.findall(r'"(\w+)"', packages[1]))
