"""`chargebus dashboards`: what a Grafana server is given, and what is said when it will not."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboards.alerts import ALERTS, rule_groups
from dashboards.boards import DASHBOARDS
from dashboards.files import GENERATED
from tests.cli.conftest import Outcome, Run
from tests.cli.grafana_server import TOKEN, GrafanaServer


@pytest.fixture(params=["", "/grafana"], ids=["own host", "below a path"])
def server(request: pytest.FixtureRequest) -> Iterator[GrafanaServer]:
    with GrafanaServer(request.param) as running:
        yield running


@pytest.fixture
def dashboards(bare: Run, tmp_path: Path, server: GrafanaServer) -> Run:
    (tmp_path / "token").write_text(f"{TOKEN}\n")

    def run(*arguments: str, **extra: str) -> Outcome:
        return bare("dashboards", *arguments, server.url, "--token-file", "token", **extra)

    return run


def test_everything_is_pushed_as_it_is_generated(dashboards: Run, server: GrafanaServer) -> None:
    done = dashboards("push")
    assert done.code == 0, done.err
    assert server.folders == [{"id": 1, "uid": "chargebus", "title": "chargebus"}]
    counted = ("id", "version")
    for board in DASHBOARDS:
        file = json.loads((GENERATED / f"dashboards/{board.uid}.json").read_text())
        stored = server.dashboards[board.uid]
        assert {k: v for k, v in stored.items() if k not in counted} == {
            k: v for k, v in file.items() if k not in counted
        }
        assert f"pushed dashboard {board.title}" in done.out
    (group,) = server.groups.values()
    assert group["interval"] == 60
    assert {rule["uid"] for rule in group["rules"]} == {alert.uid for alert in ALERTS}
    assert [rule["data"] for rule in group["rules"]] == [rule["data"] for rule in rule_groups()["groups"][0]["rules"]]
    assert f"pushed {len(ALERTS)} alert rules chargebus" in done.out


def test_a_second_push_replaces_and_check_agrees(dashboards: Run, server: GrafanaServer) -> None:
    assert dashboards("push").code == 0
    board, rule = DASHBOARDS[0], ALERTS[1]
    checked = dashboards("check")
    assert (checked.code, checked.out) == (0, "all dashboards and alert rules are up to date\n")
    server.dashboards[board.uid]["panels"][0]["title"] = "somebody's"
    server.groups["chargebus", "chargebus"]["rules"][1]["for"] = "1h"
    del server.dashboards[DASHBOARDS[1].uid]
    server.requests.clear()
    checked = dashboards("check")
    assert checked.code == 1
    assert checked.out.splitlines() == [
        f"dashboard {board.title}: different",
        f"dashboard {DASHBOARDS[1].title}: missing",
        f"alert rule {rule.title}: different",
    ]
    assert {method for method, _path in server.requests} == {"GET"}, "a check changes nothing"
    assert dashboards("push").code == 0
    assert dashboards("check").code == 0
    assert len(server.folders) == 1
    assert server.dashboards[board.uid]["version"] == 2


def test_a_folder_of_that_title_is_used(dashboards: Run, server: GrafanaServer) -> None:
    server.folders.append({"id": 7, "uid": "aeb7", "title": "chargebus"})
    assert dashboards("push").code == 0
    assert list(server.groups) == [("aeb7", "chargebus")]
    assert len(server.folders) == 1


@pytest.mark.parametrize("command", ["push", "check"])
def test_without_the_data_source_nothing_is_pushed(command: str, dashboards: Run, server: GrafanaServer) -> None:
    server.sources.clear()
    done = dashboards(command)
    assert done.code == 1
    assert "no data source with the uid chargebus-influxdb" in done.err
    assert server.dashboards == {} and server.folders == []
    server.sources["chargebus-influxdb"] = {"type": "prometheus"}
    assert "of the type 'prometheus'" in dashboards(command).err


@pytest.mark.parametrize(
    ("path", "status", "body", "words"),
    [
        ("folders", 403, '{"message": "no rights"}', "role Admin or Editor"),
        ("dashboards/db", 412, '{"message": "provisioned from files"}', "provisioned from files"),
        ("rule-groups", 500, '{"message": "database is locked"}', "database is locked"),
        ("datasources", 200, "<html>a login page</html>", "answers like no Grafana"),
        ("folders", 200, '{"not": "a list"}', "answers like no Grafana"),
    ],
)
def test_what_it_will_not_do_is_told(
    path: str, status: int, body: str, words: str, dashboards: Run, server: GrafanaServer
) -> None:
    server.fail = (path, status, body)
    done = dashboards("push")
    assert done.code == 1
    assert words in done.err and server.url in done.err
    assert TOKEN not in done.err + done.out


def test_a_wrong_token_and_no_server(bare: Run, tmp_path: Path, server: GrafanaServer) -> None:
    (tmp_path / "token").write_text("wrong\n")
    done = bare("dashboards", "push", server.url, "--token-file", "token")
    assert done.code == 1 and "role Admin or Editor" in done.err
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = bare("dashboards", "push", f"http://127.0.0.1:{nobody.getsockname()[1]}", "--token-file", "token")
    assert done.code == 1 and "chargebus:" in done.err and "Traceback" not in done.err


def test_bad_input(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    assert bare("dashboards", "push", "grafana:3000", "--token-file", "empty").code == 2
    assert bare("dashboards", "push", "http://admin:pw@grafana", "--token-file", "empty").code == 2
    assert bare("dashboards", "push", "http://grafana").code == 2
    assert bare("dashboards", "push", "http://grafana", "--token-file", "empty").code == 5
    assert bare("dashboards", "push", "http://grafana", "--token-file", "missing").code == 5


def test_the_generated_files_are_checked_without_a_server(bare: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bare("dashboards", "check").code == 0
    monkeypatch.setattr("dashboards.files.stale", lambda: ["dashboards/x.json"])
    done = bare("dashboards", "check")
    assert done.code == 1
    assert "generated/dashboards/x.json: stale" in done.out
