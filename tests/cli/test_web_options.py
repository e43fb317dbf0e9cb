"""Options about HTTP and WebSocket."""

import click
import pytest
from click.testing import CliRunner

from core.cli.web_options import web_options


@click.command()
@web_options
def command(**options: object) -> None:
    click.echo(str(options["transport"]))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--transport", "utp,http"], "utp,http"),
        (["--transport", "utp", "--transport", "http"], "utp,http"),
        ([], "None"),
    ],
)
def test_transports_stand_in_one_option_or_in_several(arguments: list[str], said: str) -> None:
    assert CliRunner().invoke(command, arguments).output == f"{said}\n"


@pytest.mark.parametrize("arguments", [["--transport", "utp", "--transport", "pigeon"], ["--transport", ""]])
def test_a_transport_that_is_none_is_named(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code, "names no transports" in result.output) == (2, True)
