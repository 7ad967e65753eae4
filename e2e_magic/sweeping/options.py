"""The options that a sweep has beside those of each of its trials: the second half of the table."""

from __future__ import annotations

from e2e_magic.measuring import kinds
from e2e_magic.measuring.options import Option, Use, Way
from e2e_magic.sweeping.limits import LimitKind
from e2e_magic.sweeping.order import FEW_VALUES, ORDERS
from e2e_magic.sweeping.space.search import SEARCHES

SWEEPS = Way.SWEEP_CELL | Way.PANEL | Way.SWEEP
PRUNERS = ("median", "hyperband")

SWEEP_OPTIONS = (
    Option(
        name="target",
        ways=SWEEPS,
        metavar="METRIC",
        help="what the sweep is about (loss, else accuracy, else wall_time_s)",
        kind=kinds.Text(wanted="a metric such as loss, accuracy or wall_time_s"),
    ),
    Option(
        name="maximize",
        ways=SWEEPS,
        help="more is better (else as the metric says)",
        kind=kinds.Flag(),
    ),
    Option(
        name="search",
        ways=SWEEPS,
        metavar="grid|random|tpe",
        help="how the space is walked (grid)",
        default="grid",
        kind=kinds.choice(*SEARCHES),
        details='tpe is Optuna\'s sampler (``pip install "e2e-magic[optuna]"``).',
    ),
    Option(
        name="trials",
        ways=SWEEPS,
        metavar="N",
        help="combinations at most (grid: all; random, tpe: 20)",
        kind=kinds.Whole(least=1),
    ),
    Option(
        name="seed",
        ways=SWEEPS,
        metavar="N",
        help="seeds the search, and random, numpy, torch per trial",
        kind=kinds.Whole(),
        details="A trial is seeded with it + the trial's number within the sweep. A list of seeds is a "
        "parameter of the function's.",
    ),
    Option(
        name="order",
        ways=SWEEPS,
        metavar="sequential|shuffle|balanced",
        help="of combinations and repeats (balanced to compare a few values of one parameter)",
        kind=kinds.choice(*ORDERS),
        details="``sequential``: all repeats of a combination, then the next; ``shuffle``: random; "
        "``balanced``: in blocks that have each combination once, in random order, each order as often as "
        "its mirror image, so that a drift of the machine meets all alike. Left out, a grid of one parameter "
        f"with 2 to {FEW_VALUES} values and several repeats is balanced, all else sequential.",
    ),
    Option(name="shuffle", kind=kinds.Flag(), ways=SWEEPS, help="the same as --order shuffle", default=False),
    Option(
        name="budget",
        ways=SWEEPS,
        metavar="SECONDS",
        help="start no further trial after",
        kind=kinds.SECONDS,
        details="In seconds since the sweep began.",
    ),
    Option(
        name="fail_fast",
        kind=kinds.Flag(),
        ways=SWEEPS,
        help="stop at the first failed trial (else: keep its row, go on)",
        default=False,
        details="Its error is raised.",
    ),
    Option(
        name="fail_after",
        kind=kinds.Whole(least=1),
        ways=SWEEPS,
        metavar="N",
        help="stop after N trials that failed with the same error",
        details="Their rows are kept, and no error is raised.",
    ),
    Option(
        name="trial_limit",
        kind=LimitKind("float, str or tuple"),
        ways=SWEEPS,
        metavar="SECONDS,SIZE",
        help="end a trial that takes more, such as 60s,8GiB, and go on",
        details="In seconds by the clock, resident memory of its process, or both; its row's state is "
        "``over limit``.",
    ),
    Option(
        name="prune",
        kind=kinds.choice(*PRUNERS),
        ways=SWEEPS,
        metavar="median|hyperband",
        help="end a trial that is behind by the target it logs (Optuna's pruners)",
        details="Its row says ``pruned``. Needs ``log`` in the code, once per epoch, and "
        '``pip install "e2e-magic[optuna]"``.',
    ),
    Option(
        name="engine",
        kind=kinds.Kind(),
        ways=SWEEPS,
        metavar="ENGINE",
        help="where trials run: kernel, local:N, dask://HOST:PORT, ray, spark, a joblib backend",
        default="kernel",
        details="``kernel`` runs the trials here, one after another, ``local:N`` in N processes.",
    ),
    Option(
        name="resume",
        kind=kinds.Flag(),
        ways=SWEEPS,
        help="skip the trials that are complete already",
        default=False,
    ),
    Option(
        name="panel",
        kind=kinds.Flag(),
        use=Use.SHOW,
        ways=Way.SWEEP_CELL,
        help="show the sweep panel instead of starting at once",
        default=False,
    ),
)
