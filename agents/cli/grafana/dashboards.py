"""``dashboards``: the pages and alert rules, on a Grafana that reads no files of ours."""

from pathlib import Path
from typing import Annotated

import typer

from agents.cli.exits import CliError, ExitCode
from agents.cli.lazy import command_app

app = command_app()
group = command_app()
app.add_typer(group, name="dashboards")

TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="File whose first line is a service account's token."),
]


@group.callback()
def dashboards() -> None:
    """Push the dashboards and alerts to a Grafana, or check them."""


@app.callback()
def _module() -> None:
    """Keep ``dashboards`` a group of its own."""


@group.command()
def push(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of Grafana, for example http://grafana:3000.")],
    token_file: TokenFile = None,
) -> None:
    """Bring all dashboards and alert rules to a Grafana; what is there under their names is replaced.

    Grafana needs a data source with the uid chargebus-influxdb. One that deploy/compose.yaml runs reads the same pages
    from files, and wants no push.
    """
    from agents.cli.grafana.grafana import Grafana, GrafanaFailed

    try:
        for line in Grafana(_address(url), _token(token_file)).push():
            typer.echo(f"pushed {line}")
    except GrafanaFailed as error:
        raise CliError(ExitCode.FAILED, str(error)) from None


@group.command()
def check(
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Grafana to compare with; none: our files.")
    ] = None,
    token_file: TokenFile = None,
) -> None:
    """Say whether the dashboards on a Grafana, or the generated files, are up to date; ends with 1 if not."""
    if url is None:
        from dashboards.files import GENERATED, stale

        found = [f"{GENERATED.name}/{name}: stale" for name in stale()]
    else:
        from agents.cli.grafana.grafana import Grafana, GrafanaFailed

        try:
            compared = list(Grafana(_address(url), _token(token_file)).compare())
        except GrafanaFailed as error:
            raise CliError(ExitCode.FAILED, str(error)) from None
        found = [f"{each.what}: {each.state}" for each in compared if each.state != "same"]
    for line in found:
        typer.echo(line)
    if found:
        raise typer.Exit(int(ExitCode.FAILED))
    typer.echo("all dashboards and alert rules are up to date")


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} is no address; write for example http://grafana:3000", param_hint="URL")
    if "@" in url:
        raise typer.BadParameter("put no password into the address; use --token-file", param_hint="URL")
    return url


def _token(path: Path | None) -> str:
    if path is None:
        raise typer.BadParameter("a token is needed: make a service account in Grafana", param_hint="--token-file")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(ExitCode.CONFIGURATION, f"cannot read {path}: {error}") from None
    if not lines or not lines[0].strip():
        raise CliError(ExitCode.CONFIGURATION, f"{path} is empty; its first line must be the token")
    return lines[0].strip()
