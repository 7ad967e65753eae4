"""``--memory-limit``: what asks for too much gets an error, the process lives, and all is as before."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring import memory_limit
from e2e_magic.measuring.memory_limit import allowed_mib, checked
from e2e_magic.record import Run

resource = pytest.importorskip("resource", reason="needs setrlimit")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture(autouse=True)
def _as_before(session: Any) -> Any:  # noqa: ARG001 - rows go into the fresh one
    before = resource.getrlimit(resource.RLIMIT_DATA)
    yield
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def left(mib: int) -> int:
    """Return a limit in bytes that leaves so many MiB."""
    return int((memory_limit._of_process("VmRSS") + mib) * 2**20)


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("12GiB", 12288),
        ("1.5g", 1536),
        ("500MB", 500e6 / 2**20),
        ("64 MiB", 64),
        (2**20, 1),
        ("3K", 3 / 1024),
    ],
)
def test_sizes(text: str | int, mib: float) -> None:
    """With their unit; a number of Python's is bytes."""
    assert allowed_mib(checked("memory_limit", text)) == pytest.approx(mib)


@pytest.mark.parametrize("wrong", ["12", "", "0%", "100.1%", "nan%", "-1GiB", "12GiBs", 0, True, 1.5])
def test_what_is_no_limit_is_said(wrong: object) -> None:
    """Before anything runs."""
    with pytest.raises(e2e.PlanError) as caught:
        e2e.measure("train", memory_limit=wrong)
    assert str(caught.value) == (
        "memory_limit: expected a size such as 12GiB or 500MB, or a share of what this process may use such "
        f"as 90%, got {wrong!r}"
    )


def test_a_share_is_of_the_least_that_limits_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control group, machine, its own limits."""

    class Groups:
        def limit(self) -> tuple[int, str]:
            return 2**40, "memory.max"

    monkeypatch.setattr(memory_limit, "MemoryGroups", Groups)
    monkeypatch.setattr(memory_limit, "machine_memory", lambda: (2**34, "/proc/meminfo"))
    assert allowed_mib("50%") == 2**13
    monkeypatch.setattr(Groups, "limit", lambda _: (2**32, "memory.max"))
    assert allowed_mib("50%") == 2**11


def test_numpy_and_plain_python_get_a_memory_error(session: Any) -> None:
    """What fits is left alone, and the row says what was asked for."""
    import numpy as np

    limit = left(100)
    with e2e.measure("fits", memory_limit=limit):
        kept = np.ones(2**20)
    with pytest.raises(MemoryError), e2e.measure("array", memory_limit=limit):
        np.ones(2**25)
    with pytest.raises(MemoryError), e2e.measure("small", memory_limit=limit):
        [bytearray(2**20) for _ in range(1000)]
    with pytest.raises(ValueError, match="other"), e2e.measure("other", memory_limit=limit):
        raise ValueError("other")

    assert kept.sum() == 2**20
    fits, array, small, other = session.records
    asked = f"; --memory-limit {limit}B was asked for, and it began with "
    assert (fits.state, fits.error) == ("complete", None)
    assert array.error.startswith("MemoryError: Unable to allocate 256. MiB for an array")
    assert asked in array.error
    assert small.error.startswith(f"MemoryError{asked}")
    assert other.error == "ValueError: other"


def test_the_lowest_of_several_limits_counts_and_the_last_restores() -> None:
    """Nested, or in an order that crosses; what the code sets itself stays until then."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    wide, narrow = (memory_limit.MemoryLimit(checked("", left(mib))) for mib in (900, 300))

    wide.hold()
    of_wide = resource.getrlimit(resource.RLIMIT_DATA)[0]
    narrow.hold()
    of_both = resource.getrlimit(resource.RLIMIT_DATA)[0]
    wide.lift()
    of_narrow = resource.getrlimit(resource.RLIMIT_DATA)[0]
    narrow.lift()
    narrow.lift()

    assert of_both == of_narrow < of_wide
    assert resource.getrlimit(resource.RLIMIT_DATA) == before

    wide.hold()
    own = (of_wide + 2**20, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, own)
    wide.lift()
    assert resource.getrlimit(resource.RLIMIT_DATA) == own
    resource.setrlimit(resource.RLIMIT_DATA, before)


def test_a_run_sets_it_for_all_and_what_can_not_be_set_is_said_before(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block, a function, a sweep's trials; a limit that is passed already; a system that has none."""
    started = e2e.run("limited", memory_limit=left(60))
    assert isinstance(started, Run)
    with pytest.raises(MemoryError), e2e.measure("train"):
        bytearray(2**27)
    found = e2e.sweep(lambda mib: bytearray(mib << 20) and None, stage="fit", mib=[1, 128], quiet=True)

    assert [record.state for record in found.records] == ["complete", "failed"]
    assert "--memory-limit" in found.records[1].error
    for limit, why in (("1MiB", "already, and 1MiB was asked for; ask for more, or restart the kernel"),):
        with pytest.raises(e2e.PlanError, match=why), e2e.measure("train", memory_limit=limit):
            pytest.fail("the code was run")
    monkeypatch.setattr(memory_limit, "resource", None)
    with pytest.raises(e2e.PlanError) as caught, e2e.measure("train", memory_limit="1TiB"):
        pytest.fail("the code was run")
    assert str(caught.value) == (
        "memory_limit: this system can't limit what a process asks for (Linux can); leave it out"
    )
    assert session.records[0].stage == "train"


def test_a_cell_with_a_limit(shell: Any, session: Any) -> None:
    """The error comes through as ever; a limit that is passed already is a line's error."""
    failed = shell.run_cell(f"%%e2ebench train --memory-limit {left(80) // 2**20}MiB\nx = bytearray(2**28)")
    after = shell.run_cell("%%e2ebench after\ny = bytearray(2**28); del y")
    line = shell.run_cell("%%e2ebench train --memory-limit 1MiB\nz = 1")
    value = shell.run_cell("%e2ebench -q --memory-limit 1TiB 1 + 1")

    assert isinstance(failed.error_in_exec, MemoryError)
    assert after.success
    assert type(line.error_in_exec).__name__ == "UsageError"
    assert "z" not in shell.user_ns
    assert value.success
    assert [record.state for record in session.records] == ["failed", "complete", "complete"]
