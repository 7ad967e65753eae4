"""What enforces a limit leaves the process as it was."""

from __future__ import annotations

import subprocess
import sys

# A trial in a thread is ended; then a debugger, or coverage, follows a call in the same process.
TRACED_AFTERWARDS = """
import sys, threading, time
from e2e_magic.measuring.ending import OverLimit
from e2e_magic.sweeping.enforcing import Enforcer
from e2e_magic.sweeping.limits import Limit
ended = []
def trial():
    enforcer = Enforcer(Limit(0.05))
    with enforcer:
        try:
            with enforcer.armed():
                while True:
                    time.sleep(0.001)
        except OverLimit as error:
            ended.append(str(error))
thread = threading.Thread(target=trial)
thread.start()
thread.join()
def called(): return 1
called()
sys.setprofile(lambda *_: None)
called()
sys.setprofile(None)
print(len(ended), ended[0])
"""


def test_who_traces_after_a_trial_that_was_ended_in_a_thread_goes_on() -> None:
    """CPython 3.11 spins at the first traced call where an error for a thread was replaced by none."""
    done = subprocess.run(
        [sys.executable, "-c", TRACED_AFTERWARDS], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.startswith("1 it took ")
