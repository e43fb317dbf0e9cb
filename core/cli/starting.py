"""From the options of a command to a running job: the profile's settings, what the command line says, the loop."""

from collections.abc import Callable
from typing import Any

from core.cli.options import nodes
from core.cli.output import Output
from core.cli.running import run
from core.profile.config import KeyPlace, PeerConfig
from core.profile.logs import set_up_logging
from core.profile.settings import SettingsStore


def config_of(
    output: Output, profile: str, grapes: tuple[str, ...], bootstrap: str | None, port: int | None, speaks: bool,
    brokers: tuple[str, ...] = (), no_lan: bool = False,
) -> PeerConfig:  # fmt: skip
    """Return the profile's settings with what the command line says in their place; `speaks`: with its identity."""
    store = SettingsStore(profile)
    saved = PeerConfig.from_settings(store.start() if speaks else store.load())
    for sentence in (*store.notices, *([store.problem] if store.problem else [])):
        output.notice(sentence)
    wanted = nodes(bootstrap)
    return PeerConfig(
        # a bootstrap list asks for a grape of our own, whatever the settings say
        grapes=grapes or (saved.grapes if wanted is None else ()),
        bootstrap=saved.bootstrap if wanted is None else wanted,
        dht_port=saved.dht_port,
        api_port=saved.api_port,
        udp_port=saved.udp_port if port is None else port,
        trust_file=store.trust_file,
        calls_file=store.calls_file,
        invitations_file=store.invitations_file,
        places_file=store.places_file,
        mainline=saved.mainline,
        mainline_bootstrap=saved.mainline_bootstrap,
        mainline_file=store.mainline_file,
        open_peer=saved.open_peer,
        open_peers_file=store.open_peers_file,
        relay=saved.relay,
        use_relays=saved.use_relays,
        audiences=saved.audiences,
        identity=KeyPlace(store.path.parent, profile, output.notice) if speaks else None,
        use_broker=bool(brokers) or saved.use_broker,
        brokers=tuple(text for text in brokers if text) if brokers else saved.brokers,
        lan=saved.lan and not no_lan,
        port_mapping=saved.port_mapping and not no_lan and speaks,
    )


def start(
    job: Callable[[PeerConfig, Output], Any], *, brief: bool, profile: str, verbose: bool, as_json: bool,
    grapes: tuple[str, ...], bootstrap: str | None, port: int | None, speaks: bool = False,
    brokers: tuple[str, ...] = (), quiet: bool = False, no_lan: bool = False,
) -> None:  # fmt: skip
    """Run a job. One that is `brief` asks once and ends; one that `speaks` to other peers needs an identity."""
    set_up_logging(profile, verbose=verbose)
    output = Output(as_json=as_json, quiet=brief or quiet)
    config = config_of(output, profile, grapes, bootstrap, port, speaks, brokers, no_lan)
    if config.grapes:
        import ssl  # noqa: F401 - aiohttp, which asks those grapes, needs it: not while somebody waits for our answer
    run(lambda: job(config, output), output, fast=not brief)
