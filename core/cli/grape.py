"""`grapevine grape`: a grape by itself. Its flags are the Node grape's, and scripts rely on them: keep their names."""

import click

from core.cli.options import as_json_option, nodes, usage, verbose_option
from core.cli.output import Output
from core.cli.running import run
from core.grape.config import GrapeConfig
from core.profile.logs import set_up_logging


@click.command()
@click.option(
    "--dp",
    "--dht_port",
    "dht_port",
    type=click.IntRange(0, 65535),
    default=20001,
    show_default=True,
    help="UDP port of the DHT.",
)
@click.option(
    "--aph",
    "--api_port",
    "api_port",
    type=click.IntRange(0, 65535),
    default=30001,
    show_default=True,
    help="TCP port of the HTTP API.",
)
@click.option(
    "--bn",
    "--bootstrap",
    "bootstrap",
    default="",
    metavar="H:P,...",
    callback=usage(nodes),
    help="Bootstrap nodes; '' is a lone grape.",
)
@click.option(
    "-b",
    "--b",
    "--bind",
    "bind",
    default=None,
    metavar="HOST",
    help="Listening host. Without it: all interfaces, so anyone who reaches a port may announce and store.",
)
@click.option(
    "--api-host",
    "api_hosts",
    metavar="NAME",
    multiple=True,
    help="A name by which links reach the HTTP API; other names are refused, IP addresses never.",
)
@click.option(
    "--dc",
    "--dht_concurrency",
    "concurrency",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Queries in flight per lookup.",
)
@click.option(
    "--dht_maxTables",
    "max_tables",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="Names with peers, kept at once.",
)
@click.option(
    "--dht_maxValues",
    "max_values",
    type=click.IntRange(1),
    default=5000,
    show_default=True,
    help="Stored values, kept at once.",
)
@click.option(
    "--dpa",
    "--dht_peer_maxAge",
    "peer_age",
    type=click.IntRange(1),
    default=120_000,
    show_default=True,
    help="Milliseconds a peer is listed after its last announce.",
)
@click.option("--cache_maxAge", "cache_age", type=click.IntRange(0), default=0, help="Accepted; lookups are fresh.")
@click.option(
    "--dnl",
    "--dht_nodeLiveness",
    "liveness",
    type=click.IntRange(1),
    default=300_000,
    show_default=True,
    help="Milliseconds between looks for dead nodes.",
)
@click.option(
    "--check_maxPayloadSize",
    "max_payload",
    type=click.IntRange(1),
    default=8192,
    show_default=True,
    help="Bytes of an HTTP body.",
)
@verbose_option
@as_json_option
def grape(
    dht_port: int, api_port: int, bootstrap: str, bind: str | None, api_hosts: tuple[str, ...], concurrency: int,
    max_tables: int, max_values: int, peer_age: int, cache_age: int, liveness: int, max_payload: int, as_json: bool,
    verbose: bool,
) -> None:  # fmt: skip
    """Run a grape: a DHT node and its HTTP API. The flags are the Node grape's."""
    set_up_logging("grape", verbose=verbose)
    output = Output(as_json=as_json)

    async def job() -> None:
        config = GrapeConfig(
            dht_port=dht_port,
            api_port=api_port,
            bootstrap=nodes(bootstrap) or (),
            bind=bind or "0.0.0.0",
            api_hosts=api_hosts,
            dht_concurrency=concurrency,
            max_tables=max_tables,
            max_values=max_values,
            peer_max_age=peer_age / 1000,
            cache_max_age=cache_age / 1000,
            node_liveness=liveness / 1000,
            check_max_payload_size=max_payload,
        )
        from core.cli.jobs import run_grape  # aiohttp with it, only when it is run: `--help` answers at once

        await run_grape(config, output)

    run(job, output, fast=True)
