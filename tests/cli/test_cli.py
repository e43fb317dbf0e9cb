"""The command line as its users meet it: a process, its output, its exit code."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import pytest

from core.values import JsonValue
from tests.cli.conftest import RunCli
from tests.grape.fakes import request_bytes, rpc, talk
from tests.support.ports import free_port
from tests.support.process import Program, grapevine, until

pytestmark = pytest.mark.asyncio

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]


def lines(text: str) -> list[dict[str, JsonValue]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_two_peers_on_one_machine_find_each_other_with_no_option(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    async with grapevine("share", "fibonacci", home=first) as worker:
        await worker.event("announced")
        async with grapevine("consume", "fibonacci", "--once", home=second) as consumer:
            reply = await consumer.event("reply")
            assert reply["data"] == SEQUENCE
            assert await consumer.wait() == 0
        served = await worker.event("request-served")
    assert served["error"] is None
    assert served["service"] == "fibonacci_worker"
    discovered = [event for event in worker.events if event["event"] == "discovered"]
    assert all({"service", "address", "port"} <= event.keys() for event in discovered)
    assert discovered


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
async def test_what_serves_runs_on_uvloop_where_it_is_installed(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", "--verbose", home=home, env={"GRAPEVINE_LOOP": ""}) as worker:
        url = (await worker.event("grape"))["url"]
        found = await cli("consume", "fibonacci", "--once", "--grape", url)
        assert json.loads(found.out) == SEQUENCE
        assert "uvloop" in worker.stderr


async def test_one_peer_tells_the_whole_story_in_json(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", home=home) as worker:
        listening = await worker.event("listening")
        announced = await worker.event("announced")
        grape = await worker.event("grape")
        here = f"127.0.0.1:{listening['port']}"
        done = await cli("request", here, '{"length": 10}', "--grape", grape["url"])
        refused = await cli("request", here, '{"length": "x"}', "--grape", grape["url"])
        by_name = await cli("request", "fibonacci", '{"length":10}', "--grape", grape["url"], "--json")
        await worker.event("request-served", lambda event: event["error"] is not None)
    assert isinstance(listening["address"], str)
    assert announced["service"] == "fibonacci_worker"
    assert announced["nodes"] == 1
    assert (done.code, json.loads(done.out), done.err) == (0, SEQUENCE, "")
    assert (refused.code, refused.out) == (4, "")
    assert refused.err.startswith("ERR_PAYLOAD: ")
    assert "0 to 10000" in refused.err
    assert "Traceback" not in refused.err
    events = lines(by_name.out)
    assert [event["data"] for event in events if event["event"] == "reply"] == [SEQUENCE]
    assert any(event["event"] == "punch-sent" for event in events)


async def test_consume_once_prints_only_the_sequence(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", home=home) as worker:
        url = (await worker.event("grape"))["url"]
        done = await cli("consume", "fibonacci", "--length", "5", "--once", "--grape", url)
    assert (done.code, done.out, done.err) == (0, "[1,1,2,3,5]\n", "")


async def test_consume_once_ends_at_once_when_the_worker_does_not_take_the_payload(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", home=home) as worker:
        url = (await worker.event("grape"))["url"]
        done = await cli("consume", "fibonacci", "--length", "-1", "--once", "--timeout", "60", "--grape", url)
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("ERR_PAYLOAD: ")
    assert "0 to 10000" in done.err


async def test_a_command_with_a_bootstrap_list_waits_until_it_has_joined(home: Path, cli: RunCli) -> None:
    async with grapevine("share", "fibonacci", "--bootstrap", "", home=home) as worker:
        node = f"127.0.0.1:{(await worker.event('grape'))['dht_port']}"
        for command in (["announce", "weather", "1337"], ["put", "hello"], ["lookup", "fibonacci_worker"]):
            done = await cli(*command, "--bootstrap", node)
            assert (done.code, done.err) == (0, "")


async def test_nobody_there_is_a_time_out_by_name(cli: RunCli) -> None:
    done = await cli("consume", "fibonacci", "--once", "--timeout", "1", "--bootstrap", "")
    assert (done.code, done.out) == (5, "")
    *once, failure = done.err.splitlines()
    assert all(line.startswith("No keyring is usable here: your key is in ") for line in once)  # unless time was up
    assert failure.startswith("ERR_TIMEOUT: ")
    unanswered = await cli("request", "127.0.0.1:9", "{}", "--timeout", "0.5", "--bootstrap", "")
    assert unanswered.code == 5
    assert unanswered.err.startswith("ERR_TIMEOUT: ")


async def test_a_name_nobody_announced(cli: RunCli) -> None:
    for command in (["lookup", "weather"], ["request", "weather", "{}"]):
        done = await cli(*command, "--bootstrap", "", "--json")
        assert done.code == 3
        assert done.err.splitlines()[-1].startswith("ERR_GRAPE_LOOKUP_EMPTY: ")
        assert lines(done.out)[-1]["error"] == "ERR_GRAPE_LOOKUP_EMPTY"


async def test_a_grape_and_its_clients(home: Path, cli: RunCli) -> None:
    dht, api = str(free_port()), str(free_port())
    async with grapevine("grape", "--dp", dht, "--aph", api, "--bn", "", home=home) as grape:
        listening = await grape.event("listening")
        assert listening["port"] == int(dht)
        url = f"http://127.0.0.1:{api}"
        assert (await cli("announce", "weather", "1337", "--grape", url)).out == "1\n"
        assert (await cli("lookup", "weather", "--grape", url)).out == "127.0.0.1:1337\n"
        put = await cli("put", "hello world", "--grape", url)
        assert len(put.out.strip()) == 40
        assert (await cli("get", put.out.strip(), "--grape", url)).out == "hello world\n"
        joined = await cli("announce", "weather", "1338", "--bootstrap", f"127.0.0.1:{dht}")
        assert (joined.code, joined.out) == (0, "1\n")
        assert "127.0.0.1:1338" in (await cli("lookup", "weather", "--bootstrap", f"127.0.0.1:{dht}")).out
        found = lines((await cli("lookup", "weather", "--grape", url, "--json")).out)[-1]["addresses"]
        assert isinstance(found, list)
        assert set(found) == {"127.0.0.1:1337", "127.0.0.1:1338"}


@pytest.mark.parametrize(
    "command",
    [
        ["share", "fibonacci"],
        ["consume", "fibonacci"],
        ["consume", "fibonacci", "--once", "--timeout", "60"],
        ["request", "127.0.0.1:9", "{}", "--timeout", "60"],
    ],
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGHUP, -1)])
async def test_a_signal_ends_it(home: Path, command: list[str], number: int, code: int) -> None:
    async with grapevine(*command, "--bootstrap", "", home=home) as program:
        await program.event("grape")
        program.send_signal(number)
        assert await program.wait() == code  # though they have 60 s, or for ever
        assert program.stderr.count("\n") == (0 if number == signal.SIGHUP else 1)
        assert "Traceback" not in program.stderr


async def test_a_signal_ends_a_grape(home: Path) -> None:
    async with grapevine("grape", "--dp", "0", "--aph", "0", home=home) as program:
        await program.event("listening")
        program.send_signal(signal.SIGINT)
        assert await program.wait() == 130
        assert program.stderr == "Interrupted.\n"


async def test_a_grape_answers_to_the_names_it_is_given(home: Path) -> None:
    names = ["--api-host", "nas", "--api-host", "grape.example.org"]
    async with grapevine("grape", "--dp", "0", "--aph", "0", "--bn", "", *names, home=home) as program:
        port = int((await program.event("listening"))["api"].rpartition(":")[2])
        for host, status in (("nas", 200), ("grape.example.org:30001", 200), ("rebound.example.org", 403)):
            answer = await talk(port, request_bytes("/lookup", rpc("svc"), headers={"Host": host}))
            assert answer.status == status, host


async def test_a_grape_says_which_name_is_none(cli: RunCli) -> None:
    done = await cli("grape", "--dp", "0", "--aph", "0", "--api-host", "http://nas")
    assert (done.code, done.out) == (1, "")
    assert "--api-host 'http://nas' is not a host name" in done.err


async def test_a_port_in_use_is_named(home: Path, cli: RunCli) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        for command in (["grape", "--dp", str(port), "--aph", "0"], ["share", "fibonacci", "--port", str(port)]):
            done = await cli(*command)
            assert done.code == 1
            assert str(port) in done.err
            assert done.err.count("\n") == 1


async def test_an_embedded_grape_takes_the_next_free_port(home: Path) -> None:
    wanted = json.loads((home / "grapevine" / "default.json").read_text())["dht_port"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", wanted))
        async with grapevine("share", "fibonacci", "--bootstrap", "", home=home) as worker:
            assert wanted < (await worker.event("grape"))["dht_port"] <= wanted + 15


async def test_without_a_screen_the_window_says_what_to_do_instead(cli: RunCli) -> None:
    done = await cli()
    assert (done.code, done.out) == (2, "")
    assert "grapevine share fibonacci" in done.err
    assert done.err.count("\n") == 1


async def test_options_before_the_command_mean_the_same_as_behind_it(home: Path, cli: RunCli) -> None:
    async with grapevine("grape", "--dp", "0", "--aph", "0", "--bn", "", home=home) as grape:
        url = (await grape.event("listening"))["api"]
        done = await cli("--grape", url, "announce", "weather", "1337")
        assert (done.code, done.out, done.err) == (0, "1\n", "")
    assert (await cli("--profile", "other", "put", "x", "--grape", url)).err.startswith("ERR_UNREACHABLE: ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["request", "127.0.0.1:9", "{"], "JSON"),
        (["share", "fibonacci", "--grape", "127.0.0.1:30001"], "http://"),
        (["share", "fibonacci", "--bootstrap", "nowhere"], "host:port"),
        (["grape", "--dp", "70000"], "70000"),
        (["announce", "x", "0"], "0"),
        (["share"], "SERVICE"),
        (["share", "fibonacci", "--profile", "../x"], "profile"),
    ],
)
async def test_wrong_use_is_explained_with_exit_2(cli: RunCli, command: list[str], said: str) -> None:
    done = await cli(*command)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


async def test_an_unknown_service_names_those_there_are(cli: RunCli) -> None:
    done = await cli("share", "weather", "--bootstrap", "")
    assert done.code == 1
    assert "fibonacci" in done.err


async def test_a_dead_grape_is_told_once_and_sharing_resumes_when_it_is_back(home: Path) -> None:
    dht, api = str(free_port()), str(free_port())
    arguments = ["grape", "--dp", dht, "--aph", api]

    async def times(worker: Program, kind: str, state: str | None, number: int) -> None:
        async def so() -> bool:
            found = [e for e in worker.events if e["event"] == kind and e.get("state") == state]
            return len(found) == number

        await until(so, f"there were {number} events {kind} {state}")

    async with grapevine("share", "fibonacci", "--grape", f"http://127.0.0.1:{api}", home=home) as worker:
        await times(worker, "grape", "unreachable", 1)
        async with grapevine(*arguments, home=home):
            await times(worker, "announced", None, 1)
        await times(worker, "grape", "unreachable", 2)
        async with grapevine(*arguments, home=home):
            await times(worker, "announced", None, 2)
        assert worker.count("error") <= 2


async def test_nobody_reads_on(cli_env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m core.cli share fibonacci --bootstrap '' --json | head -1",
        env=cli_env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, err = await process.communicate()
    assert json.loads(out)["event"] == "listening"
    assert err == b""
