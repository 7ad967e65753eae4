"""Terminal IPython behind a pseudo-terminal: what a person types and reads there."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="pexpect drives pseudo-terminals, which Windows lacks"
)


def test_a_cell_is_measured_and_its_card_is_text(terminal: Any) -> None:
    """Load, measure, read: the value is shown, the card is plain text, no HTML and no object's repr."""
    assert terminal.execute("%load_ext e2e_magic").strip() == ""
    shown = terminal.execute("%%e2ebench train\nx = sum(range(1000))\nx")

    assert re.search(r"Out\[\d+\]: 499500", shown)
    assert "train" in shown
    assert "wall time" in shown
    assert "Traceback" not in shown
    assert not re.search(r"<[a-z]+[ >]|IPython\.core\.display| object at 0x", shown)


def test_ctrl_c_ends_a_long_cell_and_leaves_its_row(terminal: Any) -> None:
    """Ctrl-C is the user's KeyboardInterrupt; the row says interrupted and how long it took."""
    terminal.execute("%load_ext e2e_magic")
    terminal.send("%%e2ebench long\nimport time\nprint('be' + 'gun')\nfor _ in range(600): time.sleep(0.1)")
    terminal.process.expect_exact("begun")
    time.sleep(0.5)
    shown = terminal.interrupt()

    assert "KeyboardInterrupt" in shown
    assert "e2e_magic/" not in shown
    terminal.execute("import e2e_magic as e2e; row = e2e.results().iloc[-1]")
    row = terminal.execute("print(row['stage'], row['state'], 0.4 < row['wall_time_s'] < 30, row['error'])")
    assert row.strip() == "long interrupted True KeyboardInterrupt"
    assert re.search(r"Out\[\d+\]: 42", terminal.execute("6 * 7"))


def test_the_sampler_outlives_ctrl_c(terminal: Any) -> None:
    """Ctrl-C goes to the whole foreground group; the sampler process stays for the next cell."""
    terminal.execute("%load_ext e2e_magic")
    terminal.execute("from e2e_magic.sampler import sampler")
    terminal.execute("%%e2ebench first -q\nprint(1)")
    before = re.findall(r"pid=(\d+)", terminal.execute("print(f'pid={sampler().pid}')"))
    terminal.send("%%e2ebench long -q\nimport time\nprint('be' + 'gun')\ntime.sleep(60)")
    terminal.process.expect_exact("begun")
    terminal.interrupt()
    terminal.execute("%%e2ebench next -q\ntime.sleep(0.25)")
    after = re.findall(r"pid=(\d+)", terminal.execute("print(f'pid={sampler().pid}')"))

    assert before == after
    assert len(after) == 1
    assert psutil.pid_exists(int(after[0]))


def test_await_works_in_a_measured_cell(terminal: Any) -> None:
    """Top-level await is measured in terminal IPython as anywhere else."""
    terminal.execute("%load_ext e2e_magic")
    shown = terminal.execute("%%e2ebench waits -q\nimport asyncio\nawait asyncio.sleep(0.2)\n'awaited'")

    assert re.search(r"Out\[\d+\]: 'awaited'", shown)
    row = terminal.execute("import e2e_magic; print(e2e_magic.results()['wall_time_s'].iloc[-1] >= 0.2)")
    assert row.strip() == "True"


def test_an_error_shows_the_users_lines_only(terminal: Any) -> None:
    """A traceback in the terminal is the user's, without a line of ours, and the row says failed."""
    terminal.execute("%load_ext e2e_magic")
    shown = terminal.execute("%%e2ebench broken\ndef f():\n    return 1 / 0\n\nf()")

    assert "ZeroDivisionError: division by zero" in shown
    assert "return 1 / 0" in shown
    assert "e2e_magic/" not in shown
    row = terminal.execute("import e2e_magic; print(e2e_magic.results()['state'].iloc[-1])")
    assert row.strip() == "failed"


def test_a_wrong_option_is_one_line_and_runs_nothing(terminal: Any) -> None:
    """A typo on the line is a usage error in a sentence; the cell isn't run."""
    terminal.execute("%load_ext e2e_magic")
    shown = terminal.execute("%%e2ebench train --repeats 0\nran = True")

    assert "UsageError" in shown
    assert "Traceback" not in shown
    assert "False" in terminal.execute("'ran' in globals()")


def test_leaving_ends_the_sampler(terminal: Any) -> None:
    """`exit` ends IPython promptly and the sampler with it."""
    terminal.execute("%load_ext e2e_magic")
    terminal.execute("%%e2ebench first -q\nprint(1)")
    [pid] = re.findall(
        r"pid=(\d+)", terminal.execute("from e2e_magic.sampler import sampler; print(f'pid={sampler().pid}')")
    )
    import pexpect

    terminal.process.sendline("exit")
    terminal.process.expect(pexpect.EOF, timeout=10)
    deadline = time.monotonic() + 2
    while psutil.pid_exists(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert not psutil.pid_exists(int(pid))
