"""What a router, or somebody in its place, says over UPnP."""

import pytest

from core.mapping.gateway import from_proc, from_proc_6, from_words
from core.wire import igd

ROUTER = "192.168.1.1"
URL = f"http://{ROUTER}:5000/root.xml"
KIND = igd.SERVICES[1]


def described(control: str = "/ctl", kind: str = KIND, base: str = "", before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<root xmlns="urn:schemas-upnp-org:device-1-0">{base}<device><deviceList><device>'
        f"<serviceList><service><serviceType>{kind}</serviceType><controlURL>{control}</controlURL></service>"
        "</serviceList></device></deviceList></device></root>"
    ).encode()


def soap(inner: str) -> bytes:
    head = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    return f"{head}{inner}</s:Body></s:Envelope>".encode()


def test_the_service_is_found_wherever_it_is() -> None:
    assert igd.service(described(), URL) == igd.Service(KIND, f"http://{ROUTER}:5000/ctl")
    base = f"<URLBase>http://{ROUTER}:8080/</URLBase>"
    assert igd.service(described("x/ctl", base=base), URL).control == f"http://{ROUTER}:8080/x/ctl"


@pytest.mark.parametrize(
    "description",
    [
        described("http://192.168.1.9/ctl"),
        described("https://192.168.1.1/ctl"),
        described("http://me@192.168.1.1/ctl"),
        described("//evil.example/ctl"),
        described("http://[/ctl"),
        described(kind="urn:schemas-upnp-org:service:Other:1"),
        described(control=""),
        described(before='<!DOCTYPE x [<!ENTITY a "aaaa">]>'),
        described(before='<!ENTITY % a SYSTEM "file:///etc/passwd">'),
        described("/ctl", base="<URLBase>http://192.168.1.9/</URLBase>").replace(b"/ctl", b""),
        b"<root>",
        b"",
        b"\xff\xfe<\x00r\x00",
        b"<a>" * 200_000,
        b"x" * (igd.LONGEST + 1),
    ],
)
def test_a_hostile_description_is_refused(description: bytes) -> None:
    with pytest.raises(igd.MalformedIgd):
        igd.service(description, URL)


def test_an_answer_counts_only_for_the_machine_that_sent_it() -> None:
    found = b"HTTP/1.1 200 OK\r\nST: x\r\nLocation: http://192.168.1.1:5000/root.xml\r\n\r\n"
    assert igd.location(found, ROUTER) == URL
    assert igd.location(found, "192.168.1.9") is None
    assert igd.location(found.replace(b"200", b"404"), ROUTER) is None
    assert igd.location(b"", ROUTER) is None
    assert igd.location(b"NOTIFY * HTTP/1.1\r\nLocation: http://192.168.1.1/\r\n\r\n", ROUTER) is None


def test_answers_and_refusals() -> None:
    response = soap(f'<u:GetExternalIPAddressResponse xmlns:u="{KIND}"><NewExternalIPAddress>203.0.113.9'
                    "</NewExternalIPAddress></u:GetExternalIPAddressResponse>")  # fmt: skip
    assert igd.answer(response, "GetExternalIPAddress") == {"NewExternalIPAddress": "203.0.113.9"}
    refusal = soap(
        "<s:Fault><detail><UPnPError><errorCode>725</errorCode><errorDescription>Only permanent</errorDescription>"
        "</UPnPError></detail></s:Fault>"
    )
    assert igd.answer(refusal, "AddPortMapping") == igd.Refused(igd.ONLY_PERMANENT, "Only permanent")
    assert igd.answer(refusal.replace(b"725", b"9" * 50), "AddPortMapping") == igd.Refused(501, "Only permanent")
    with pytest.raises(igd.MalformedIgd):
        igd.answer(soap("<other/>"), "AddPortMapping")


def test_what_we_say_is_no_markup() -> None:
    _, body = igd.call(igd.Service(KIND, URL), "AddPortMapping", {"NewInternalClient": "<&>"})
    assert b"<NewInternalClient>&lt;&amp;&gt;</NewInternalClient>" in body


def test_the_gateway_of_each_system() -> None:
    head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    rows = "eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0\nwlan0 00000000 0201A8C0 0003 0 0 50 00000000 0 0 0\n"
    assert from_proc(head + rows) == "192.168.1.2"
    assert from_proc(head + "eth0 0001A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\nbad\n") is None
    assert from_words("   route to: default\n    gateway: 192.168.1.1\n  interface: en0\n") == "192.168.1.1"
    windows = "Active Routes:\n          0.0.0.0          0.0.0.0      192.168.1.1    192.168.1.23     25\n"
    assert from_words(windows) == "192.168.1.1"
    assert from_words("nothing") is None


def test_the_firewall_for_ipv6_is_another_service() -> None:
    url, kind = "http://[2001:db8::1]:5000/root.xml", igd.PINHOLES[0]
    found = igd.service(described(kind=kind), url, igd.PINHOLES)
    assert found == igd.Service(kind, "http://[2001:db8::1]:5000/ctl")
    with pytest.raises(igd.MalformedIgd, match="opens no pinholes"):
        igd.service(described(), url, igd.PINHOLES)
    with pytest.raises(igd.MalformedIgd, match="another machine"):
        igd.service(described("http://[2001:db8::2]/ctl", kind=kind), url, igd.PINHOLES)
    assert b"HOST: [FF02::C]:1900" in igd.search(igd.SEARCHED[0], 1, igd.GROUP_6)


def test_the_router_of_ipv6_is_that_of_the_default_route_and_names_its_link() -> None:
    nobody, link = "0" * 32, "fe80" + "0" * 27 + "1"

    def route(to: str, bits: str, router: str, metric: str, flags: str, interface: str) -> str:
        return f"{to} {bits} {nobody} 00 {router} {metric} 00000001 00000000 {flags} {interface}\n"

    other = route(nobody, "00", "20010db8" + "0" * 23 + "9", "00000500", "00000003", "eth1")
    found = route(nobody, "00", link, "00000400", "00000003", "eth0")
    rest = route("20010db8" + "0" * 24, "40", link, "00000001", "00000003", "eth0")
    rest += route(nobody, "00", nobody, "00000000", "00200200", "lo") + "nonsense\n"
    assert from_proc_6(rest + other + found) == "fe80::1%eth0"
    assert from_proc_6(rest + other) == "2001:db8::9"
    assert from_proc_6(rest) is None
