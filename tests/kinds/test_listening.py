"""What listens here, read from tables and processes of a machine that a test has made."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from core.kinds.listening import MAX_FOUND, Found, Socket, parse_table, read_proc, what_listens

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the tables are in the machine's byte order")
pytestmark = little_endian


def line(address: str, port: int, inode: int, state: str = "0A") -> str:
    zero = "0" * len(address)
    rest = f"{state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1"
    return f"   0: {address}:{port:04X} {zero}:0000 {rest}\n"


ANY, LOOPBACK, OUTSIDE = "00000000", "0100007F", "0501A8C0"
ANY6, LOOPBACK6 = "0" * 32, "00000000000000000000000001000000"


def machine(
    proc: Path, tcp: str, tcp6: str = "", programs: Mapping[int, tuple[str, tuple[int, ...]]] | None = None
) -> Path:
    (proc / "net").mkdir()
    (proc / "net" / "tcp").write_text(HEADER + tcp)
    (proc / "net" / "tcp6").write_text(HEADER + tcp6)
    (proc / "self").mkdir()
    for pid, (name, inodes) in (programs or {}).items():
        (proc / str(pid) / "fd").mkdir(parents=True)
        (proc / str(pid) / "comm").write_text(name + "\n")
        (proc / str(pid) / "fd" / "0").symlink_to("/dev/null")
        for number, inode in enumerate(inodes, start=1):
            (proc / str(pid) / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    return proc


def test_a_table_is_read_in_the_kernels_byte_order() -> None:
    text = HEADER + line(LOOPBACK, 8080, 11) + line(LOOPBACK6, 22, 12) + line(LOOPBACK, 9, 13, "01")
    assert parse_table(text) == [Socket("127.0.0.1", 8080, 11), Socket("::1", 22, 12)]


@pytest.mark.parametrize("damaged", ["", "\n\n", HEADER + "0: x", HEADER + line("ZZ", 1, 1), HEADER + line("01", 1, 1)])
def test_a_damaged_table_says_nothing(damaged: str) -> None:
    assert parse_table(damaged) == []


def test_ones_own_programs_come_first_by_name_and_others_without(tmp_path: Path) -> None:
    tcp = line(ANY, 22, 1) + line(LOOPBACK, 3001, 2) + line(LOOPBACK, 4567, 3) + line(ANY, 8123, 4)
    proc = machine(tmp_path, tcp, line(ANY6, 3001, 5), {40: ("node", (2, 5)), 41: ("mine", (3,))})
    assert read_proc(proc) == (
        Found(3001, "node", "Web page", "http"),
        Found(4567, "mine", "", "tcp"),
        Found(22, "", "SSH", "tcp"),
        Found(8123, "", "Home Assistant", "http"),
    )


def test_what_only_other_machines_reach_and_what_is_our_own_is_left_out(tmp_path: Path) -> None:
    tcp = line(OUTSIDE, 8080, 1) + line(LOOPBACK, 30001, 2)
    assert read_proc(machine(tmp_path, tcp, programs={os.getpid(): ("python", (2,))})) == ()


def test_the_list_is_bounded_and_a_name_has_no_control_characters(tmp_path: Path) -> None:
    tcp = "".join(line(LOOPBACK, 10_000 + number, number + 1) for number in range(300))
    found = read_proc(machine(tmp_path, tcp, programs={7: ("a\x1b[2J\u202eb", (300,))}))
    assert len(found) == MAX_FOUND
    assert found[0] == Found(10_299, "a[2Jb", "", "tcp")


@pytest.mark.asyncio
async def test_without_tables_well_known_ports_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr("core.kinds.listening.WELL_KNOWN", {port: ("Web page", "http")})
    assert await what_listens(tmp_path) == (Found(port, "", "Web page", "http"),)
    server.close()
    await server.wait_closed()
    assert await what_listens(tmp_path) == ()
