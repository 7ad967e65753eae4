"""Streams of tokens, timed: exact numbers on a simulated clock, an async stub, a small model."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from threading import active_count
from typing import Any, ClassVar

import numpy as np
import pytest

import e2e_magic as e2e
from e2e_magic.measuring import energy_span
from e2e_magic.measuring.collectors.base import Collector
from e2e_magic.measuring.latency import Clock
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Metric
from tests.api.conftest import MS, Simulated

PROMPTS = ["a b c d e", "f g h"]


def streamed(call: Any, clock: Clock | None = None, **options: Any) -> Any:
    """Time streams of tokens over two prompts, without warm-up."""
    return e2e.latency(call, PROMPTS, **{"tokens": True, "warmup": 0, "clock": clock, **options})


def test_a_stream_is_told_apart_by_its_tokens(clock: Simulated) -> None:
    """50 ms to the first, 10 ms for each further one: prompts of 5 and of 3 words in turn."""
    row = streamed(clock.answer(50, 10), clock, duration=64.0).frame.iloc[0]

    assert (row["calls"], row["entries"], row["tokens"]) == (800, 800, 3200)
    for q in (50, 90, 95, 99):
        assert row[f"first_token_p{q}_s"] == pytest.approx(0.05)
        assert row[f"per_token_p{q}_s"] == pytest.approx(0.01)
        assert row[f"inter_token_p{q}_s"] == pytest.approx(0.01)
    assert row["tokens_per_s"] == pytest.approx(3200 / 64)
    assert row["p99_s"] == pytest.approx(0.09)


def test_columns_and_units_are_those_of_calls_and_more(clock: Simulated) -> None:
    """The frame, the table and the chart are as for calls."""
    found = streamed(clock.answer(50, 10), clock, duration=64.0)
    plain = e2e.latency(len, PROMPTS, duration=0.001).frame

    assert list(found.frame.columns)[: len(plain.columns)] == list(plain.columns)
    assert set(found.frame.columns) - set(plain.columns) == {
        "tokens", "tokens_per_s", "energy_per_token_j",
        *(f"{kind}_p{q}_s" for kind in ("first_token", "per_token", "inter_token") for q in (50, 90, 95, 99)),
    }  # fmt: skip
    assert found.frame.attrs["units"]["tokens_per_s"] == "tokens/s"
    assert found.frame.attrs["units"]["first_token_p99_s"] == "s"
    assert "first token p50" in repr(found)
    assert "between tokens p99" in found._repr_html_()
    assert len(found.plot().lines) >= 1


def test_a_gap_that_is_rare_shows_at_the_p99(clock: Simulated) -> None:
    """Of the gaps between tokens, not of the calls' means."""

    def generate(_prompt: str) -> Iterator[int]:
        for n in range(51):
            clock.time_ns += (100 if n == 25 else 10) * MS
            yield n

    row = streamed(generate, clock, duration=30.0).frame.iloc[0]

    assert row["inter_token_p50_s"] == pytest.approx(0.01)
    assert row["inter_token_p99_s"] == pytest.approx(0.1)
    assert row["per_token_p50_s"] == pytest.approx((49 * 0.01 + 0.1) / 50)
    assert math.isnan(row["first_token_p99_s"])


def test_chunks_hold_as_many_tokens_as_a_function_says(clock: Simulated) -> None:
    """A gap is shared among the tokens of its chunk."""

    def generate(_prompt: str) -> Iterator[list[int]]:
        for chunk in ([1, 2], [3, 4, 5, 6]):
            clock.time_ns += 20 * MS
            yield chunk

    row = streamed(generate, clock, tokens=len, duration=4.0).frame.iloc[0]

    assert (row["calls"], row["tokens"]) == (100, 600)
    assert row["first_token_p50_s"] == pytest.approx(0.02)
    assert row["per_token_p50_s"] == row["inter_token_p50_s"] == pytest.approx(0.005)


def test_a_server_counts_the_wait_for_the_first_token(clock: Simulated) -> None:
    """From the arrival; the queue adds nothing between tokens."""
    row = streamed(clock.answer(5, 1), clock, duration=20.0, scenario="server", rate=90, seed=1).frame.iloc[0]

    assert row["calls"] == 1800
    assert row["first_token_p50_s"] > 0.005
    assert row["first_token_p99_s"] > 2 * row["first_token_p50_s"]
    assert row["per_token_p99_s"] == row["inter_token_p99_s"] == pytest.approx(0.001)
    assert row["tokens"] == pytest.approx(1800 * 4, abs=2)
    assert row["rate_per_s"] == 90


def test_offline_counts_tokens(clock: Simulated) -> None:
    """As fast as it goes: when a first token would have been awaited isn't known."""
    found = streamed(clock.answer(50, 10), clock, duration=8.0, scenario="offline")
    row = found.frame.iloc[0]

    assert row["tokens_per_s"] == pytest.approx(4 / 0.08)
    assert row["inter_token_p50_s"] == pytest.approx(0.01)
    assert math.isnan(row["first_token_p50_s"])
    assert found.missing[1]["first_token_p50_s"] == (
        "offline counts what goes through; first tokens are timed by single_stream and server"
    )


def test_streams_of_one_token_or_none_have_no_gaps(clock: Simulated) -> None:
    """They say so."""
    one = streamed(clock.answer(50, 10), clock, duration=8.0)
    assert one.frame["tokens"].item() > 0

    def generate(prompt: str) -> Iterator[str]:
        clock.time_ns += 10 * MS
        if prompt == PROMPTS[0]:
            yield "end"

    some = streamed(generate, clock, duration=8.0)

    assert some.frame["tokens"].item() == 400
    assert some.frame["first_token_p50_s"].item() == pytest.approx(0.01)
    assert some.missing[1]["per_token_p50_s"] == "no call yielded several tokens"


class Meter(Collector):
    """A collector that counts 8 J in each window."""

    name: ClassVar[str] = "energy"
    source = "a test"
    metrics: ClassVar[tuple[Metric, ...]] = ()

    def readings(self) -> dict[str, float]:  # type: ignore[override]
        return {"package_energy_j": 8.0}


def test_energy_is_shared_among_the_tokens(clock: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was measured."""
    monkeypatch.setattr(energy_span, "registered", lambda: {"energy": Meter})
    row = streamed(clock.answer(50, 10), clock, duration=8.0).frame.iloc[0]

    assert row["energy_per_token_j"] == pytest.approx(8 / row["tokens"])
    assert row["energy_per_entry_j"] == pytest.approx(8 / row["entries"])


async def answer_later(prompt: str) -> AsyncIterator[str]:
    """Answer after 20 ms, and 4 ms from word to word."""
    await asyncio.sleep(0.02)
    for n, word in enumerate(prompt.split()):
        if n:
            await asyncio.sleep(0.004)
        yield word


async def begin_later(prompt: str) -> AsyncIterator[str]:
    """Return such a stream only when awaited, as clients of model servers do."""
    return answer_later(prompt)


def _about_the_stub(row: Any) -> None:
    # Sleeping wakes up late on a busy machine, never early.
    assert 0.019 <= row["first_token_p50_s"] < 0.2
    assert 0.0039 <= row["per_token_p50_s"] < 0.2
    assert 0.0039 <= row["inter_token_p50_s"] < 0.2


@pytest.mark.parametrize("call", [answer_later, begin_later])
def test_an_async_stub_with_known_gaps(call: Any) -> None:
    """Without a running loop, and within one as in a notebook; no thread is left behind."""
    threads = active_count()

    async def notebook() -> Any:
        return streamed(call, duration=0.8).frame.iloc[0]

    _about_the_stub(streamed(call, duration=0.8).frame.iloc[0])
    _about_the_stub(asyncio.run(notebook()))
    assert active_count() == threads


@pytest.mark.parametrize("running", [False, True], ids=["script", "notebook"])
def test_async_streams_overlap_on_a_server(running: bool) -> None:
    """60 that take some 30 ms each arrive in a second: no queue, as nobody waits for another one."""

    async def notebook() -> Any:
        return serve()

    def serve() -> Any:
        return streamed(answer_later, duration=2.0, scenario="server", rate=60).frame.iloc[0]

    row = asyncio.run(notebook()) if running else serve()

    assert (row["calls"], row["tokens"]) == (120, pytest.approx(480, abs=10))
    assert row["throughput_per_s"] == pytest.approx(60, rel=0.1)
    _about_the_stub(row)


def test_async_streams_overlap_offline() -> None:
    """64 at a time: far more go through than one after another."""
    row = streamed(answer_later, duration=0.5, scenario="offline").frame.iloc[0]

    assert row["calls"] >= 128
    assert row["throughput_per_s"] > 4 / 0.032
    assert math.isnan(row["first_token_p50_s"])


def test_async_streams_that_never_end_are_given_up() -> None:
    """After twice the duration, and the reason says how many were left."""

    async def generate(_prompt: str) -> AsyncIterator[str]:
        yield "begun"
        await asyncio.sleep(3600)

    found = streamed(generate, duration=0.2, scenario="server", rate=50)

    assert found.frame["calls"].item() == 0
    assert found.missing[1]["p50_s"] == "no call came to its end"


@pytest.mark.parametrize("scenario", ["server", "offline"])
def test_an_error_among_streams_that_overlap_comes_through(scenario: str) -> None:
    """As it was raised, with what was measured on it."""
    calls = 0

    async def generate(prompt: str) -> AsyncIterator[str]:
        nonlocal calls
        calls += 1
        if calls == 100:
            raise ValueError("no such model")
        await asyncio.sleep(0.001)
        yield prompt

    rate = {"rate": 100} if scenario == "server" else {}
    with pytest.raises(ValueError, match="no such model") as raised:
        streamed(generate, duration=2.0, scenario=scenario, **rate)

    assert str(raised.value) == "no such model"
    assert raised.value.e2e_latency.frame["calls"].item() > 0  # type: ignore[attr-defined]


def test_the_highest_rate_of_streams_that_overlap() -> None:
    """It isn't bounded by what goes through one after another."""

    async def generate(prompt: str) -> AsyncIterator[str]:
        await asyncio.sleep(0.02)
        yield prompt

    row = streamed(generate, duration=2.0, scenario="server", p99_bound=2.0, rate=400).frame.iloc[0]

    assert row["rate_per_s"] > 330


def test_an_error_within_a_stream_keeps_what_was_measured(clock: Simulated) -> None:
    """The streams that came to their end."""
    answer, calls = clock.answer(50, 10), 0

    def generate(prompt: str) -> Iterator[str]:
        nonlocal calls
        calls += 1
        yield from answer(prompt)
        if calls == 101:
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory") as raised:
        streamed(generate, clock, duration=64.0)
    kept = raised.value.e2e_latency.frame.iloc[0]  # type: ignore[attr-defined]

    assert (kept["calls"], kept["tokens"]) == (100, 400)
    assert kept["first_token_p50_s"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"call": 3}, "call: expected a function that yields tokens, got 3"),
        (
            {"call": lambda _prompt: "text"},
            "call: expected a function that yields tokens, a generator or an async one, got one that returns "
            "'text'",
        ),
        ({"tokens": "yes"}, "tokens: expected True or False, got 'yes'"),
    ],
)
def test_what_is_no_stream_is_said(options: dict[str, Any], sentence: str) -> None:
    """With what came and what to hand over."""
    with pytest.raises(PlanError) as caught:
        streamed(**{"call": lambda _prompt: iter("ab"), "duration": 0.01, **options})

    assert str(caught.value) == sentence


def test_arrays_come_in_slices_and_lists_one_prompt_at_a_time() -> None:
    """As models take them; a batch size cuts lists too."""
    got: list[Any] = []

    def generate(prompt: Any) -> Iterator[int]:
        got.append(prompt)
        yield 1

    for inputs, more in ((["a", "b"], {}), (["a", "b"], {"batch_size": 2}), (np.ones((2, 3)), {})):
        e2e.latency(generate, inputs, tokens=True, duration=1e-6, warmup=0, **more)  # type: ignore[arg-type]

    assert got[0] == "a"
    assert got[1] == ["a", "b"]
    assert got[2].shape == (1, 3)


def test_a_small_causal_model() -> None:
    """Made on the spot: each step reads all tokens so far and gives the likeliest next one."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    embedding, head = torch.nn.Embedding(50, 16), torch.nn.Linear(16, 50)
    layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0).eval()

    @torch.no_grad()
    def generate(tokens: Any) -> Iterator[Any]:
        for _ in range(6):
            mask = torch.nn.Transformer.generate_square_subsequent_mask(tokens.shape[1])
            hidden = layer(embedding(tokens), src_mask=mask, is_causal=True)
            chosen = head(hidden[:, -1:]).argmax(-1)
            tokens = torch.cat([tokens, chosen], dim=1)
            yield chosen

    found = e2e.latency(generate, torch.randint(0, 50, (4, 5)), tokens=True, duration=0.5)
    row = found.frame.iloc[0]

    assert row["tokens"] == 6 * row["calls"]
    assert 0 < row["inter_token_p50_s"] < row["p50_s"]
    assert row["tokens_per_s"] == pytest.approx(6 * row["throughput_per_s"])
