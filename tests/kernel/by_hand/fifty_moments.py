"""Kill a measuring process at fifty random moments and check its rows: ``python fifty_moments.py [SEED]``."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from test_black_box import check_moment

MOMENTS = 50


def main(seed: int) -> None:
    """Say how the last trial of each was found; a wrong row is an `AssertionError`."""
    chance, found = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = f"{folder}/state"
        for n in range(MOMENTS):
            found[check_moment(Path(folder) / str(n), chance.uniform(0.0, 0.3))] += 1
    sys.stdout.write(f"{MOMENTS} moments, {MOMENTS} right: {dict(found)}\n")


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["1"])[0]))
