import subprocess
import sys
from pathlib import Path

import pytest

from cqrs_ddd_core.instrumentation import get_hook_registry
from orders.story import tell


async def test_the_story_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    await tell()
    story = capsys.readouterr().out
    told = [
        "ConfirmOrder (command) → Money",
        (
            "  event          OrderConfirmed: A-1, 12.10 EUR\n"
            "  before commit  ReserveStock hears of OrderConfirmed\n"
            "  event          StockReserved: 2 tea for A-1, 8 left\n"
            "  event          StockReserved: 1 cake for A-1, 0 left\n"
            "  commit         all of it, together\n"
            "  after commit   SendConfirmation hears of OrderConfirmed\n"
            "  mail           to ada: Order A-1: 12.10 EUR to pay\n"
        ),
        "  refused        quantity: Input should be greater than or equal to 1\n",
        "  refused        Order A-1 is confirmed: it cannot be changed any more.\n",
        (
            "  rollback       nothing of it has happened\n"
            "  refused        Order B-1 wants 1 of cake, but only 0 are free.\n"
            "B-1 is pending, and 8 tea are free"
        ),
        "retry          somebody else was first",
        "  send           PlaceOrder(order_id='F-1', customer='fay')\n  answer         F-1\nThe second time",
        (
            "  receive        the overview hears of 4 OrderPlaced, 6 OrderLineAdded, 2 OrderConfirmed\n"
            "  row            A-1  ada  3 pieces  12.10 EUR  confirmed\n"
            "  row            B-1  bob  4 pieces  16.60 EUR  confirmed\n"
            "  row            E-1  eve  2 pieces   7.60 EUR  pending\n"
            "  row            F-1  fay  0 pieces   0.00 EUR  pending\n"
        ),
        "It has had this message, so nothing has changed.",
    ]
    position = 0
    for text in told:
        found = story.find(text, position)
        assert found >= 0, f"not told, or not there: {text!r}\nin:\n{story}"
        position = found + len(text)
    assert not get_hook_registry()


def test_the_story_is_told_on_a_terminal_without_arrows() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "orders"],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "1. What will happen to a command" in done.stdout
    assert done.stderr == ""
