"""The options that a sweep has beside those of each of its trials: the second half of the table."""

from __future__ import annotations

from functools import partial

from e2e_magic.measuring import checks
from e2e_magic.measuring.options import Option, Use, Way, read_real, read_whole
from e2e_magic.sweeping.space.search import SEARCHES

SWEEPS = Way.SWEEP_CELL | Way.PANEL | Way.SWEEP


def _target(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise checks.PlanError(
            f"{name}: expected a metric such as loss, accuracy or wall_time_s, got {value!r}"
        )
    return value


def _search(name: str, value: object) -> str:
    if value not in SEARCHES:
        near = checks.nearest(str(value), SEARCHES)
        raise checks.PlanError(f"{name}: expected one of {', '.join(SEARCHES)}, got {value!r}{near}")
    return str(value)


SWEEP_OPTIONS = (
    Option(
        name="target",
        ways=SWEEPS,
        metavar="METRIC",
        help="what the sweep is about (loss, else accuracy, else wall_time_s)",
        check=_target,
        typed="str, optional",
    ),
    Option(
        name="maximize",
        ways=SWEEPS,
        help="more is better (else as the metric says)",
        typed="bool, optional",
    ),
    Option(
        name="search",
        ways=SWEEPS,
        metavar="grid|random|tpe",
        help="how the space is walked (grid)",
        default="grid",
        check=_search,
        typed='{"grid", "random", "tpe"}',
        details='tpe is Optuna\'s sampler (``pip install "e2e-magic[optuna]"``).',
    ),
    Option(
        name="trials",
        ways=SWEEPS,
        metavar="N",
        help="combinations at most (grid: all; random, tpe: 20)",
        read=read_whole,
        check=partial(checks.whole, least=1),
        typed="int, optional",
    ),
    Option(
        name="seed",
        ways=SWEEPS,
        metavar="N",
        help="seeds the search, and random, numpy, torch per trial",
        read=read_whole,
        check=partial(checks.whole, least=0),
        typed="int, optional",
        details="A trial is seeded with it + the trial's number within the sweep. A list of seeds is a "
        "parameter of the function's.",
    ),
    Option(name="shuffle", ways=SWEEPS, help="the grid in random order", default=False),
    Option(
        name="budget",
        ways=SWEEPS,
        metavar="SECONDS",
        help="start no further trial after",
        read=read_real,
        check=checks.above_zero,
        typed="float, optional",
        details="In seconds since the sweep began.",
    ),
    Option(
        name="fail_fast",
        ways=SWEEPS,
        help="stop at the first failed trial (else: keep its row, go on)",
        default=False,
        details="Its error is raised.",
    ),
    Option(
        name="engine",
        ways=SWEEPS,
        metavar="ENGINE",
        help="where trials run: kernel, local:N, dask://HOST:PORT, a joblib backend",
        default="kernel",
        typed="str",
        details="``kernel`` runs the trials here, one after another, ``local:N`` in N processes.",
    ),
    Option(name="resume", ways=SWEEPS, help="skip the trials that are complete already", default=False),
    Option(
        name="panel",
        use=Use.SHOW,
        ways=Way.SWEEP_CELL,
        help="show the sweep panel instead of starting at once",
        default=False,
    ),
)
