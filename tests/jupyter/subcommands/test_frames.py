"""`%e2e results` and its like, with the options that read the whole store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

FRAMES = ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics")


@pytest.fixture
def measured(shell: Any, tmp_path: Path) -> Any:
    """Give a shell with a store, a run and something in every frame."""
    for line in (f"%e2e store {tmp_path / 'kept.db'}", "%e2e run first", "import e2e_magic as e2e"):
        shell.run_cell(line, store_history=False).raise_error()
    body = "import time\ne2e.log(loss=1.0)\ntime.sleep(0.02)\n{'confusion_matrix': [[3, 1], [0, 4]]};"
    shell.run_cell(f"%%e2ebench train -q -i 0.005\n{body}", store_history=False).raise_error()
    shell.run_cell(f"%%e2esweep train x=1,2 -q\nx\n{body}", store_history=False).raise_error()
    return shell


@pytest.mark.parametrize("option", ["", "--all", "--run first", "--stage train", "--since 1d"])
def test_each_frame_takes_the_options_of_the_store(measured: Any, option: str) -> None:
    """Where the store holds only this kernel's rows, each option gives the same rows as none."""
    for name in FRAMES:
        found = measured.run_line_magic("e2e", f"{name} {option}")
        plain = measured.run_line_magic("e2e", name)

        assert isinstance(found, pd.DataFrame), name
        assert len(plain) > 0, name
        pd.testing.assert_frame_equal(pd.DataFrame(found), pd.DataFrame(plain))
