"""What a small request costs does not creep up again: Python calls, which no machine's speed changes."""

import pytest

from benchmarks.calls import counted

MOST = 640  # calls of both peers together; 595 to 605 when this was written


@pytest.mark.asyncio
async def test_a_small_request_costs_no_more_python_calls_than_it_did() -> None:
    python, _, by_function = await counted(200)
    dearest = ", ".join(f"{name} {count / 200:.1f}" for name, count in by_function.most_common(12))
    assert python < MOST, dearest
