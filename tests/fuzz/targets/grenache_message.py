"""Bodies and header fields of anybody are a request, a reply, or an error by name; nothing else is raised.
What is encoded reads back the same.
"""

from core.errors import LocalError, RemoteError
from core.wire.grenache_message import encode, encode_error, parse_meta, parse_reply, parse_request
from tests.fuzz.inputs import Input

WATCHED = ["core.wire.grenache_message"]
SEEDS = [
    b'\0["r","svc",{"a":1}]',
    b'\1["r","svc",[1.5,null]]',
    b'\2["r","ERR_X",null]',
    b'\1["id","named"]\xff\xfe{',
    b"\0" + b"[" * 300,
]


def run(data: bytes) -> None:
    source = Input(data)
    how = source.choose((0, 1, 2))
    body = source.rest()
    text = body.decode("latin-1")
    try:
        meta = parse_meta(text, text[:20], text, chunked=True) if how == 1 else None
        if how == 2:
            parse_reply(body)
            return
        request = parse_request(body, meta)
    except RemoteError:
        return
    try:
        packed = encode(request.rid, None, request.payload, max_bytes=10_000)
    except LocalError:
        encode_error(request.rid, "ERR_X")
        return
    reply = parse_reply(packed)
    if (reply.rid, reply.error) != (request.rid, None) or repr(reply.result) != repr(request.payload):
        raise AssertionError(f"{request} reads back as {reply}")
