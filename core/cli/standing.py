"""`grapevine doctor` and `status`: how this peer stands."""

from typing import Any

import click

from core.cli.options import broker_option, network_options, seconds_option
from core.cli.starting import start


def _doctor() -> Any:  # noqa: ANN401
    from core.cli.doctor import doctor

    return doctor


def _status() -> Any:  # noqa: ANN401
    from core.cli.status import status

    return status


@click.command()
@seconds_option(12.0, "Seconds to look.")
@broker_option
@network_options
def doctor(timeout: float, **network: Any) -> None:  # noqa: ANN401
    """Say whether friends can reach this peer, what its router does, and what to change.

    Brokers and grapes that are configured, or named here, are asked where they see this peer; nobody else is. It ends
    with 0 only if friends can reach it.
    """
    start(lambda config, output: _doctor()(config, output, timeout), brief=True, **network)


@click.command()
@network_options
def status(**network: Any) -> None:  # noqa: ANN401
    """Say how this peer stands: connected, alone, unreachable or without a network, and whether a Grapevine runs.

    It ends with 0 if it is connected or alone. `grapevine doctor` looks at the router.
    """
    start(lambda config, output: _status()(config, output, network["profile"]), brief=True, **network)
