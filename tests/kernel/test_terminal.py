"""Terminal IPython, typed at through a pseudo-terminal as a person does."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pexpect = pytest.importorskip("pexpect")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

NO_HISTORY = "--HistoryManager.enabled=False"
PROMPT = re.compile(r"In \[(\d+)\]: $")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """IPython in a pseudo-terminal, with one input after another."""

    def __init__(self, folder: Path) -> None:
        environment = {
            **os.environ,
            "IPYTHONDIR": str(folder / "ipython"),
            "TERM": "dumb",
            "OMP_NUM_THREADS": "1",
        }
        self.child = pexpect.spawn(
            sys.executable,
            # Without a history file: IPython 7's thread for it can print behind a prompt after a Ctrl-C.
            ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor", NO_HISTORY],
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            timeout=60,
            dimensions=(50, 200),
            # Tests under nohup ignore it; a terminal of a person's doesn't.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        self.child.expect(PROMPT)
        self.child.setecho(False)

    def type(self, *lines: str) -> str:
        """Type the lines of a cell and return what is written until the next prompt."""
        self.send(*lines)
        return self.read()

    def send(self, *lines: str) -> None:
        """Type lines without waiting for the end."""
        for line in lines:
            self.child.sendline(line)
        if lines[0].startswith("%%"):  # the simple prompt ends a cell at the second empty line
            self.child.sendline("")
            self.child.sendline("")

    def read(self) -> str:
        """Return what is written until the next prompt."""
        self.child.expect(PROMPT)
        text = ESCAPES.sub("", self.child.before).replace("\r\n", "\n")
        # A cell's lines are asked for with `...: `.
        return re.sub(r"^(?: *\.\.\.: ?)+", "", text).strip("\n")

    def sampler_pid(self) -> int:
        """Return the pid of the sampler, as the session itself knows it."""
        return int(
            self.type("__import__('sys').modules['e2e_magic.measuring.sampler'].sampler().pid").split(": ")[
                -1
            ]
        )


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Give a terminal IPython with the extension loaded, for all tests of the file."""
    running = Terminal(tmp_path_factory.mktemp("terminal"))
    assert running.type("%load_ext e2e_magic") == ""
    yield running
    running.child.close(force=True)


@pytest.fixture
def own_terminal(tmp_path: Path) -> Iterator[Terminal]:
    """Give a terminal IPython that the test may end."""
    running = Terminal(tmp_path)
    assert running.type("%load_ext e2e_magic") == ""
    yield running
    running.child.close(force=True)


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _wait_until_gone(pid: int, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not _gone(pid):
        assert time.monotonic() < deadline, f"the process {pid} is alive after {within_s:g} s"
        time.sleep(0.005)


def test_the_card_is_plain_text(terminal: Any) -> None:
    """A terminal shows the value, then the numbers in lines, and no HTML."""
    text = terminal.type("%%e2ebench prepare -i 0.01", "import time; time.sleep(0.1)", "6 * 7")
    lines = text.splitlines()

    assert "prepare" in lines
    start = lines.index("prepare")
    assert re.fullmatch(r"  wall time +1\d\d ms", lines[start + 1])
    assert re.fullmatch(r"  CPU time +[\d.]+ [µm]s  \([\d.]+ %\)", lines[start + 2])
    assert re.match(r"  peak memory +[\d.]+ MiB", lines[start + 3])
    assert any(re.fullmatch(r"Out\[\d+\]: 42", line) for line in lines[:start])
    assert "<" not in text
    assert "Figure(" not in text
    assert "object at 0x" not in text


def test_a_card_fits_a_narrow_terminal(terminal: Any) -> None:
    """No line of it is broken in the middle of a word, that of a long error neither."""
    terminal.child.setwinsize(50, 60)
    text = terminal.type("%%e2ebench narrow", "raise ValueError('a long sentence, ' * 12)")
    terminal.child.setwinsize(50, 200)
    card = text[text.index("narrow · failed") :].splitlines()

    assert card[1:3] == [
        "  ValueError: a long sentence, a long sentence, a long",
        "    sentence, a long sentence, a long sentence, a long",
    ]
    assert all(len(line) <= 60 for line in card)


def test_a_line_has_its_card_as_value(terminal: Any) -> None:
    """`%e2ebench` shows the card once, as `Out`."""
    text = terminal.type("%e2ebench -s sums sum(range(100000))")

    assert re.search(r"^Out\[\d+\]: *\n?sums$", text, re.MULTILINE)
    assert len(re.findall(r"^  wall time ", text, re.MULTILINE)) == 1


def test_top_level_await(terminal: Any) -> None:
    """A cell that awaits is measured in a terminal too, where no loop is running before."""
    text = terminal.type("%%e2ebench waits -q", "import asyncio", "await asyncio.sleep(0.1)", "'awaited'")
    seen = terminal.type(
        "e2e = __import__('e2e_magic'); e2e.results(stage='waits')['wall_time_s'].item() > 0.09"
    )

    assert text.splitlines()[-1].endswith(": 'awaited'")
    assert seen.endswith(": True")


def test_an_error_shows_the_users_lines(terminal: Any) -> None:
    """The traceback is the cell's own, and the row says failed."""
    text = terminal.type("%%e2ebench breaks -q", "left = 1", "left / 0")
    seen = terminal.type("__import__('e2e_magic').results(stage='breaks')['state'].item()")

    assert "ZeroDivisionError: division by zero" in text
    assert "----> 3 left / 0" in text
    assert "e2e_magic" not in text
    assert seen.endswith(": 'failed'")


def test_a_wrong_option_is_one_line(terminal: Any) -> None:
    """No traceback; the cell is not run."""
    text = terminal.type("%%e2ebench train --repaet 3", "ran = True")
    seen = terminal.type("'ran' in globals()")

    assert "UsageError: %%e2ebench: there is no option --repaet (did you mean --repeat?); allowed are" in text
    assert "Traceback" not in text
    assert seen.endswith(": False")


@pytest.mark.parametrize(
    ("stage", "body"),
    [
        ("spins", ("print('now')", "while True: pass")),
        ("counted --lines", ("print('now')", "while True:", "    n = 1")),
        ("sleeps", ("import time; print('now'); time.sleep(60)",)),
        ("awaits", ("import asyncio; print('now')", "await asyncio.sleep(60)")),
    ],
)
def test_ctrl_c_leaves_a_row(terminal: Any, stage: str, body: tuple[str, ...]) -> None:
    """Ctrl-C reaches the cell and not the sampler, though both have the terminal's process group in reach."""
    terminal.type("%e2ebench -s before -q pass")
    pid = terminal.sampler_pid()
    terminal.send(f"%%e2ebench {stage} -i 0.01", *body)
    stage = stage.split(maxsplit=1)[0]
    terminal.child.expect("now\r\n")
    time.sleep(0.4)
    terminal.child.sendintr()
    text = terminal.read()
    terminal.type(f"row = __import__('e2e_magic').results(stage={stage!r}).iloc[-1]")
    seen = terminal.type(
        "print(row['state'], row['error'], row['samples'] >= 2, 0.3 < row['wall_time_s'] < 20)"
    )

    assert "KeyboardInterrupt" in text or "CancelledError" in text
    # The line, and none of ours; an await's is the loop's.
    assert re.search(r"In ?\[|<ipython-input-", text) or stage == "awaits"
    assert "e2e_magic" not in text
    assert f"{stage} · interrupted" in text
    assert seen.split()[-4:] in (  # IPython 7 may speak of its history before
        ["interrupted", "KeyboardInterrupt", "True", "True"],
        ["interrupted", "CancelledError", "True", "True"],
    )
    assert terminal.sampler_pid() == pid
    assert not _gone(pid)
    assert re.search(rf"{stage} .*interrupted", terminal.type("%e2e results"))


def test_measuring_goes_on_after_ctrl_c_at_the_prompt(terminal: Any) -> None:
    """An interrupt while nothing runs costs nothing."""
    terminal.type("%e2ebench -s before -q pass")
    pid = terminal.sampler_pid()
    # Between the prompt and the read behind it Python notes an interrupt, but goes on waiting: press again.
    for _ in range(30):
        terminal.child.sendintr()
        if terminal.child.expect([PROMPT, pexpect.TIMEOUT], timeout=2) == 0:
            break
    terminal.type("%%e2ebench later -q -i 0.01", "import time; time.sleep(0.5)")

    assert terminal.type(
        "bool(__import__('e2e_magic').results(stage='later')['samples'].item() >= 5)"
    ).endswith(": True")
    assert terminal.sampler_pid() == pid


@pytest.mark.parametrize("way", ["exit", "end of file", "terminal closed"])
def test_leaving_leaves_no_sampler(own_terminal: Any, way: str) -> None:
    """However IPython ends, its sampler ends too."""
    own_terminal.type("%%e2ebench one -q", "pass")
    pid = own_terminal.sampler_pid()
    if way == "exit":
        own_terminal.child.sendline("exit")
    elif way == "end of file":
        own_terminal.child.sendline("import os; os._exit(3)")
    else:
        os.kill(own_terminal.child.pid, signal.SIGHUP)
    own_terminal.child.expect(pexpect.EOF)
    own_terminal.child.close()

    _wait_until_gone(pid)
