"""`grapevine calls`: who asked this profile's services for what, also while a peer of it runs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.options import as_json_option, profile_option
from core.cli.output import Output
from core.cli.running import run
from core.files.shown import plain
from core.profile.logs import set_up_logging
from core.profile.settings import SettingsStore
from core.values import JsonValue

if TYPE_CHECKING:
    from core.ledger.record import CallRecord


@click.command()
@click.option("--filter", "text", default="", metavar="TEXT", help="Only calls with this text: a Peer ID, an address.")
@click.option("--service", default="", help="Only calls of this service.")
@click.option("--outcome", default="", help="Only calls with this outcome: ok, or the name of an error.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many, newest first.")
@click.option(
    "--csv",
    "table",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="Write all calls that fit to FILE instead.",
)
@click.option("--clear", is_flag=True, help="Forget every call; needs --yes.")
@click.option("--yes", is_flag=True, help="Confirm without asking.")
@profile_option
@as_json_option
def calls(
    text: str, service: str, outcome: str, limit: int, table: Path | None, clear: bool, yes: bool, profile: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Print who called your services: when, what, how many bytes, and the outcome. What was said is not kept."""
    if clear and not yes:
        raise click.UsageError("every call would be forgotten: add --yes to confirm")
    if clear and (text or service or outcome or table):
        raise click.UsageError("--clear forgets every call: it takes no other option but --yes")
    set_up_logging(profile)
    output = Output(as_json=as_json)
    path = SettingsStore(profile).calls_file

    async def job() -> None:
        from core.ledger.ledger import Ledger  # only when it is needed: `--help` answers at once

        ledger = Ledger(path, read_only=not clear, on_problem=output.notice)
        try:
            if clear:
                await ledger.clear()
                output.result("calls-cleared", "every call is forgotten")
            elif table is not None:
                rows = await ledger.export_csv(table, text=text, service=service, outcome=outcome)
                output.result("calls-exported", f"{rows:,} calls written to {plain(str(table))}", rows=rows)
            else:
                _show(output, await ledger.query(text=text, service=service, outcome=outcome, limit=limit))
        finally:
            await ledger.close()

    run(job, output)


def _show(output: Output, found: "list[CallRecord]") -> None:
    """Print calls: a line each, or an event each with `--json`."""
    if not found and not output.as_json:
        output.result("calls", "no calls")
    for call in found:
        output.result("call", _line(call), **_fields(call))


def _line(call: "CallRecord") -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.when))
    sizes = f"{call.request_bytes:,} B in, {call.reply_bytes:,} B out, {call.seconds * 1000:.1f} ms"
    return plain(f"{at}  {call.peer_id or 'plain'}  {call.address}  {call.service}  {sizes}  {call.outcome}")


def _fields(call: "CallRecord") -> dict[str, JsonValue]:
    return {
        "at": round(call.when, 3),
        "peer_id": call.peer_id,
        "from": call.address,
        "service": call.service,
        "request_bytes": call.request_bytes,
        "reply_bytes": call.reply_bytes,
        "seconds": round(call.seconds, 6),
        "outcome": call.outcome,
    }
