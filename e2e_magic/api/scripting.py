"""The Python side of ``%e2e``: the same functions, the same frames, the same errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e_magic.session import current
from e2e_magic.storage import HERE, Selection

if TYPE_CHECKING:
    from datetime import date, timedelta
    from pathlib import Path

    import pandas as pd

    from e2e_magic.integrations.mlflow import Logged
    from e2e_magic.record import Run
    from e2e_magic.storage import Store

    When = str | date | timedelta


def _tidy(name: str, selection: Selection = HERE) -> pd.DataFrame:
    """Return a frame of the session, displayed as the magics' are."""
    from e2e_magic.views.frames import TidyFrame

    return TidyFrame.of(current().frame(name, selection), every=name == "metrics")


def results(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return a row per trial: times, CPU, memory, IO, energy, quality; units in the column names.

    Parameters
    ----------
    run, stage : str, optional
        Only the trials of this run (name or id), of this stage. A run that this kernel doesn't have is read
        from the store, and a warning says so.
    all : bool
        All that the store holds, with what this kernel has measured; otherwise this kernel's trials.
    since : str, date, datetime or timedelta, optional
        Only those that started then or later: ``"2026-08-01"``, ``"2026-08-01T09:30"``, or how long ago,
        ``"7d"``, ``"24h"``, ``"30m"``.

    Raises
    ------
    PlanError
        If there is no such run or stage, or `since` is no time.
    StoreError
        If the store can't be read.
    """
    return _tidy("results", Selection.of(run=run, stage=stage, all=all, since=since))


def samples(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return the sampled curves, tidy: ``run stage trial metric t_s value``; parameters as of `results`."""
    return _tidy("samples", Selection.of(run=run, stage=stage, all=all, since=since))


def epochs(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return what was logged, a row per epoch: ``run stage trial epoch t_s`` and a column per key.

    Parameters as of `results`.
    """
    return _tidy("epochs", Selection.of(run=run, stage=stage, all=all, since=since))


def trials(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return the results of sweeps, best first; parameters as of `results`."""
    return _tidy("trials", Selection.of(run=run, stage=stage, all=all, since=since))


def confusions(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return the confusion matrices, tidy: ``run stage trial true predicted count``.

    Parameters as of `results`.
    """
    return _tidy("confusions", Selection.of(run=run, stage=stage, all=all, since=since))


def lines(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return a row per line that ran, of trials measured with ``lines``.

    Columns: ``run stage trial line source hits wall_time_s peak_rss_mib rss_delta_mib``, and ``function``
    where functions from elsewhere are among them. Time and growth are a line's own, without those of lines
    that are listed themselves; the peak is the highest while it ran. Parameters as of `results`.
    """
    return _tidy("lines", Selection.of(run=run, stage=stage, all=all, since=since))


def runs(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return a row per run with its environment and its number of trials.

    Parameters as of `results`; with `stage` the runs in which that stage was measured.
    """
    return _tidy("runs", Selection.of(run=run, stage=stage, all=all, since=since))


def metrics() -> pd.DataFrame:
    """Return what this machine can measure and from what source, and what it can't and why.

    ``attrs["summary"]`` says in words what can't be measured and what to do, each reason once.
    """
    return _tidy("metrics")


def holders(
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> pd.DataFrame:
    """Return what holds the memory of this process, a row per variable, largest first.

    Parameters
    ----------
    run, stage, since
        Only what cells of this run or stage made, or cells that ended then or later; see `results`.
    all : bool
        No more than otherwise: no store holds variables.

    Returns
    -------
    DataFrame
        ``name held_mib at_least kind type shape device shared_with where run stage cell made_at``.
        Memory that several hold counts once, for the one that owns it; the others name it in
        ``shared_with``. In a notebook also ``Out[N]`` and ``_``; everywhere the calls of the last traceback
        and open figures.
        ``attrs["summary"]`` says it in a sentence.

    Notes
    -----
    Nothing is computed, copied or brought to another device, and nothing is kept alive. A look takes 2 s at
    most: what was not seen whole by then, or is hidden in a library's own memory, is ``at_least``.
    """
    return _tidy("holders", Selection.of(run=run, stage=stage, all=all, since=since))


def pipeline(*, run: str | None = None) -> pd.DataFrame:
    """Return the stages of a run side by side; ``attrs["summary"]`` names the bottleneck in words."""
    return _tidy("pipeline", Selection(run))


def run(
    name: str | None = None,
    *,
    description: str = "",
    carbon: float | None = None,
    zone: str | None = None,
    price: str | None = None,
    estimate_power: tuple[float, float] | str | None = None,
    memory_limit: str | int | None = None,
) -> Run:
    """Start the next run: a variant of the pipeline, a tool to compare.

    Parameters
    ----------
    name : str, optional
        Its name in the frames; a short id when left out.
    description : str
        A sentence for `runs`.
    carbon : float, optional
        Grams of CO2 per kWh of your electricity: adds ``co2_g`` wherever energy is measured, and
        ``estimated_co2_g`` where it is estimated.
    zone : str, optional
        Where it comes from, instead of the grams: a country (``"DE"``, ``"Germany"``) or a state of the US
        (``"US-CA"``), by a table whose source and year are in `runs`.
    price : str, optional
        Money per kWh, such as ``"0.31EUR"``: adds ``energy_cost_eur``, and ``estimated_energy_cost_eur``.
    estimate_power : (float, float) or "auto", optional
        Idle and full power of the machine in W, for all trials of the run that name none themselves:
        adds ``estimated_energy_j``. ``"auto"`` looks the processor's model up in CodeCarbon's table.
    memory_limit : str or int, optional
        What a trial may use, ``"12GiB"`` or ``"90%"``, for all that name none themselves: a
        ``MemoryError`` instead of a killed process.

    Raises
    ------
    PlanError
        If one of them is wrong: names it, what came and what is allowed.
    """
    return current().start_run(
        name,
        description,
        carbon=carbon,
        zone=zone,
        price=price,
        estimate_power=estimate_power,
        memory_limit=memory_limit,
    )


def store(url: str | Path | None = None) -> Store | None:
    """Keep trials in this database from now on, or say which one it is.

    Parameters
    ----------
    url : str or Path, optional
        A path (SQLite), any URL of SQLAlchemy, or ``:memory:`` for this process's memory only.

    Returns
    -------
    Store or None
        The open store, whose text says where it is and how much it holds; None for ``:memory:``.

    Raises
    ------
    StoreError
        If it can't be opened: says why and what to do. The store stays the one that it was.
    """
    if url is not None:
        current().set_store(url)
    return current().store


def export(
    path: str | Path,
    frame: str = "results",
    *,
    run: str | None = None,
    stage: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> Path | Logged:
    """Write a frame or its chart to a file, or log everything to MLflow.

    Parameters
    ----------
    path : str or Path
        The suffix says the form: csv, json, parquet, xlsx, md or tex for the frame, png, svg or pdf for
        its chart. The word ``mlflow`` logs runs, trials, curves and charts to the tracking URI that
        MLflow is set to, and not twice what was logged before.
    frame : str
        ``results`` (default), ``samples``, ``epochs``, ``trials``, ``confusions``, ``runs``,
        ``metrics``, ``pipeline`` or ``lines``.
    run, stage, all, since
        Which trials: as of `results`.

    Returns
    -------
    Path or Logged
        The absolute path that was written, whole: a failure leaves no half file. For MLflow what was
        logged, and where.
    """
    return current().export(path, frame, Selection.of(run=run, stage=stage, all=all, since=since))


def import_umlaut(path: str | Path) -> pd.DataFrame:
    """Take in a database of UMLAUT (once e2ebench) and return what could not be read.

    Parameters
    ----------
    path : str or Path
        The SQLite file of either generation; it is not changed. Importing it twice doesn't double.

    Returns
    -------
    DataFrame
        ``id type reason``: a row per measurement that could not be read; ``attrs["summary"]`` says in a
        sentence what came in.

    Raises
    ------
    PlanError
        If it is no such database.
    """
    from e2e_magic.integrations import umlaut

    imported = umlaut.read(path)
    current().adopt(imported.runs, imported.records)
    imported.unread.attrs["summary"] = imported.summary
    return imported.unread


def report(
    path: str | Path,
    *,
    run: str | None = None,
    all: bool = False,  # noqa: A002 - the user's word
    since: When | None = None,
) -> Path:
    """Write a report: one self-contained page of HTML, for the screen and for paper.

    Parameters
    ----------
    path : str or Path
        Ends with ``.html``.
    run, all, since
        Which trials: as of `results`.

    Returns
    -------
    Path
        The absolute path that was written, whole: a failure leaves no half file.
    """
    from e2e_magic.views import report as html_report

    selection = Selection.of(run=run, all=all, since=since)
    return html_report.write(path, *current().runs_and_records(selection))
