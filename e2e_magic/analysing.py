"""The Python side of ``%e2e compare``, ``influence`` and ``pareto``: what the frames of a session say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2e_magic.session import current

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.comparing import Comparison


def compare(
    *runs: str,
    stage: str | Sequence[str] | None = None,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    fail_over: float | str | None = None,
    all: bool = False,  # noqa: A002 - as the line's --all
) -> Comparison:
    """Compare runs, stage by stage: what is faster, what takes more, and how sure that is.

    Parameters
    ----------
    *runs : str
        Names or ids; the first is the one that the others are compared with. All runs of this kernel
        when left out.
    stage, metric : str or sequence of str, optional
        Only these.
    baseline : str, optional
        The run to compare with, instead of the first.
    fail_over : float or str, optional
        A share, ``0.1`` or ``"10%"``: raise `RegressionError` where a metric is worse than the baseline
        by more, or where too few repeats can't tell.
    all : bool
        Also the runs in the store. A run that is named and not of this kernel is looked up there anyway;
        with a `baseline` and no run named, this kernel's runs are compared with it.

    Returns
    -------
    Comparison
        With ``.frame``, ``.plot()`` and a text in words.

    Raises
    ------
    PlanError
        For a run, stage or metric that there is not, or fewer than two runs.
    RegressionError
        See `fail_over`.
    """
    from e2e_magic.comparing import compare as compared
    from e2e_magic.comparing import share_of

    share = None if fail_over is None else share_of(fail_over)
    session = current()
    named = [*runs, *([baseline] if baseline is not None else [])]
    here = session.names()
    # A run that this kernel doesn't have can only be in the store.
    all = all or any(name not in here and name not in here.values() for name in named)  # noqa: A001
    names = session.names(all=all)
    if all and baseline is not None and not runs:  # this kernel against a baseline that was kept
        runs = tuple(dict.fromkeys(session.frame("results")["run"].astype(object)))
    made = compared(
        session.frame("results", all=all),
        lambda: session.frame("epochs", all=all),
        [names.get(run, run) for run in runs],
        stage=stage,
        metric=metric,
        baseline=baseline if baseline is None else names.get(baseline, baseline),
    )
    if share is not None:
        made.check(share if share <= 1 else f"{100 * share}%")
    return made


def influence(
    *,
    stage: str | None = None,
    x: str | Sequence[str] | None = None,
    y: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return how much of each metric's spread over a sweep's trials each parameter explains.

    Parameters
    ----------
    stage : str, optional
        Only the sweeps of this stage.
    x, y : str or sequence of str, optional
        Only these parameters and metrics.

    Returns
    -------
    DataFrame
        ``stage metric param share share_low share_high chance levels trials binned reason``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic import frames

    return frames.influence(current().frame("trials", stage=stage), x=x, y=y)


def pareto(x: str, y: str, *, stage: str | None = None) -> pd.DataFrame:
    """Return the settings of sweeps, marked where nothing beats them in two metrics.

    Parameters
    ----------
    x, y : str
        Metrics, such as ``"package_energy_j"`` and ``"accuracy"``.
    stage : str, optional
        Only the sweeps of this stage.

    Returns
    -------
    DataFrame
        A row per setting with its parameters, the two metrics, ``repeats`` and ``unbeaten``; in words in
        ``attrs["summary"]``.
    """
    from e2e_magic import frames

    return frames.pareto(current().frame("trials", stage=stage), x, y)
