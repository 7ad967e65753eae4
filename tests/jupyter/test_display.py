from __future__ import annotations

import contextvars
import threading
import time
from types import SimpleNamespace
from typing import Any

from e2e_magic.jupyter.display import CellDisplay, Ticker

asked_by: contextvars.ContextVar[str] = contextvars.ContextVar("asked_by")


class Publisher:
    """Keeps what is published, with the request that it belongs to, as ipykernel's does."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def publish(self, **message: Any) -> None:
        self.sent.append((asked_by.get(), message))


def test_it_is_shown_once_and_then_replaced_in_its_cell() -> None:
    """Another thread replaces it while another cell runs: the message belongs to the first cell."""
    asked_by.set("first cell")
    publisher = Publisher()
    output = CellDisplay(SimpleNamespace(display_pub=publisher))  # type: ignore[arg-type]
    output.show({"text/plain": "one"})
    asked_by.set("second cell")
    thread = threading.Thread(target=output.show, args=({"text/plain": "two"},))
    thread.start()
    thread.join()

    assert [who for who, _ in publisher.sent] == ["first cell", "first cell"]
    assert [m["data"]["text/plain"] for _, m in publisher.sent] == ["one", "two"]
    assert [m["update"] for _, m in publisher.sent] == [False, True]
    assert publisher.sent[0][1]["transient"] == publisher.sent[1][1]["transient"]


def test_only_what_was_shown_is_cleared() -> None:
    """Nothing is published for a display that never appeared; another one is emptied."""
    asked_by.set("cell")
    publisher = Publisher()
    output = CellDisplay(SimpleNamespace(display_pub=publisher))  # type: ignore[arg-type]
    output.clear()

    assert publisher.sent == []

    output.show({"text/plain": "one"})
    output.clear()

    assert publisher.sent[-1][1]["data"] == {"text/html": "", "text/plain": ""}
    assert publisher.sent[-1][1]["update"]


def test_a_ticker_calls_until_it_is_closed() -> None:
    """After close it is called no more, and its thread is gone; it can start again."""
    calls: list[float] = []
    ticker = Ticker(lambda: calls.append(time.monotonic()), "ticks", after_s=0.0, every_s=0.001)
    for _ in range(2):
        calls.clear()
        with ticker:
            while len(calls) < 3:
                time.sleep(0.001)
        counted = len(calls)
        time.sleep(0.02)

        assert ticker.stopping
        assert len(calls) == counted
        assert "ticks" not in [thread.name for thread in threading.enumerate()]


def test_a_ticker_that_starts_again_has_one_thread() -> None:
    """A call that is still under way when it starts anew is the last one of its thread."""
    entered, leave = threading.Event(), threading.Event()
    threads: list[int] = []

    def act() -> None:
        threads.append(threading.get_ident())
        entered.set()
        leave.wait(5)

    ticker = Ticker(act, "ticks", after_s=0.0, every_s=0.001).__enter__()
    entered.wait(5)
    ticker.stop()
    entered.clear()
    with ticker:
        entered.wait(5)
        leave.set()
        while len(threads) < 6:
            time.sleep(0.001)

    assert threads.count(threads[0]) == 1
