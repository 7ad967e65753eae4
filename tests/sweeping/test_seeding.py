"""Seeds reach what is drawn at random, also of packages that are imported within the trial."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from e2e_magic.sweeping.seeding import seeded

DRAWS = """
import json, sys
from e2e_magic.sweeping.seeding import seeded
{before}
with seeded(3, 1) as sow:
    sow()
    import random, {module}
    drawn = [random.random(), float({draw})]
assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("e2e_magic")]
loader = {module}.__spec__.loader
assert {module}.__loader__ is loader and not type(loader).__module__.startswith("e2e_magic"), loader
print(json.dumps(drawn))
"""


def drawn(**parts: str) -> Any:
    """Draw in a new interpreter."""
    answer = subprocess.run(
        [sys.executable, "-c", DRAWS.format(**parts)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("module", "draw"), [("numpy", "numpy.random.rand()"), ("torch", "torch.rand(1, dtype=torch.float64)")]
)
def test_what_is_imported_within_is_seeded_as_if_it_had_been_before(
    module: str, draw: str, need: Any
) -> None:
    """The first trial of a process, which imports the package, draws what any other would draw."""
    need(find_spec(module), module)
    first = drawn(before="", module=module, draw=draw)

    assert first == drawn(before=f"import {module}", module=module, draw=draw)


def test_each_call_seeds_anew_and_each_trial_otherwise() -> None:
    """Before each run the same numbers come again; another trial draws others."""

    def drawing(number: int) -> list[list[float]]:
        found = []
        with seeded(7, number) as sow:
            for _ in range(2):
                sow()
                found.append([random.random(), float(np.random.rand())])  # noqa: NPY002
        return found

    first, again = drawing(1)
    assert first == again
    assert drawing(1) == [first, first]
    assert first not in drawing(2)


def test_without_a_seed_nothing_is_touched() -> None:
    """None leaves the generators, and how Python imports, as they are."""
    state, finders = random.getstate(), list(sys.meta_path)
    with seeded(None, 1) as sow:
        sow()

        assert finders == sys.meta_path
    assert random.getstate() == state


def test_the_finder_goes_also_after_an_error() -> None:
    """An error within leaves nothing among Python's finders."""
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), seeded(1, 1):
        1 / 0  # noqa: B018

    assert finders == sys.meta_path
