"""The parts of a report: environments, runs side by side, each run's pipeline, stages and sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from e2e_magic.derived.findings import findings, last_execution
from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Record, Run
from e2e_magic.text import counted, digits, quantity
from e2e_magic.views import card
from e2e_magic.views.pictures import trial
from e2e_magic.views.report import page
from e2e_magic.views.report.page import Pictures, escaped

if TYPE_CHECKING:
    import pandas as pd

    from e2e_magic.views.comparison import Comparison

MOST_STAGES = 60
MOST_ROWS = 100
# The number of newest runs of which each is compared with the first.
MOST_RUNS = 8
# The columns of a table of trials, those of them that hold anything: more is not read on paper.
COLUMNS = (
    "trial", "repeat", "state", "wall_time_s", "cpu_time_s", "peak_rss_mib", "package_energy_j",
    "psys_energy_j", "dram_energy_j", "gpu_energy_j", "estimated_energy_j", "gpu_time_s", "latency_s",
    "throughput_per_s", "loss", "accuracy", "f1", "time_to_accuracy_s", "epochs_to_accuracy", "error",
)  # fmt: skip
_TEXTS = ("state", "error")
_COMPARED = (
    "stage", "metric", "run", "n_baseline", "n", "median_baseline", "median", "ratio", "p_value", "verdict",
)  # fmt: skip


def beginning(run: Run) -> str:
    """Return when a run started and what it is about."""
    started = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC"
    return page.note(f"{run.description}; started {started}" if run.description else f"started {started}")


def environment(run: Run) -> str:
    """Return the environment of a run, its packages last; unknown parts are left out."""
    place = run.environment
    cores = "" if place.cores is None else str(place.cores)
    if place.cores_usable not in (None, place.cores):
        cores += f", {place.cores_usable} of them usable"
    memory = "" if place.ram_mib is None else quantity(place.ram_mib, "MiB")
    if place.memory_limit_mib is not None:
        memory += f", {quantity(place.memory_limit_mib, 'MiB')} of it usable"
    commit = place.git_commit or ""
    if commit and place.git_dirty:
        commit += ", with changes that are not committed"
    about = {
        "host": place.host,
        "system": place.os,
        "processor": place.cpu,
        "cores": cores,
        "memory": memory,
        "GPU": place.gpu or "",
        **_powers(run),
        "Python": place.python,
        "git commit": commit,
        "threads": ", ".join(f"{name} {count}" for name, count in sorted((place.threads or {}).items())),
        "packages": ", ".join(f"{name} {version}" for name, version in sorted(place.packages.items())),
    }
    return page.pairs((name, text) for name, text in about.items() if text)


def _powers(run: Run) -> dict[str, str]:
    """Return what the run's energy numbers are based on: what was measured once, and what was given."""
    idle, carbon = run.settings.get("baseline_power"), run.settings.get("carbon_g_per_kwh")
    guess, price = run.settings.get("estimate_power"), run.settings.get("price")
    by = guess[2] if guess and len(guess) > 2 else "as given"
    grid = run.settings.get("carbon_source", "as given")
    watts = sum(value for key, value in (idle or {}).items() if key.endswith("_w"))
    return {
        "idle power": f"{quantity(watts, 'W')}, measured ({idle['source']})" if idle else "",
        "power for estimates": f"{quantity(guess[0], 'W')} idle, {quantity(guess[1], 'W')} full, {by}"
        if guess
        else "",
        "CO2 of electricity": f"{quantity(carbon, 'g')} per kWh, {grid}" if carbon is not None else "",
        "price of electricity": f"{price['per_kwh']:g} {price['currency']} per kWh, as given"
        if price
        else "",
    }


def overview(records: Sequence[Record], names: Mapping[str, str], pictures: Pictures) -> tuple[str, str]:
    """Return a run's pipeline: its bottleneck in words, and as HTML the chart and a row per stage."""
    from e2e_magic.views import charts, frames
    from e2e_magic.views.charts.energy import costs

    stages = frames.pipeline(records, names)
    results = frames.own_executions(frames.results(frames.told_apart(records), names))
    traded = costs(results)
    if sum(len(group.energy_j) for group in traded) > 1:  # one point says what the numbers say
        against = pictures.take(
            lambda: [
                page.figure(
                    charts.energy_against_accuracy(results),
                    "what accuracy costs in energy, a point per trial",
                )
            ]
        )
    else:
        against = []
    table = stages.drop(columns=["run", "bottleneck", "finding"])  # each stage has its own below
    sentence = str(stages.attrs["summary"])
    drawn = pictures.take(
        lambda: [page.figure(charts.pipeline(results), f"the stages side by side: {sentence}")]
    )
    return sentence, (
        "".join(drawn)
        + "".join(against)
        + _table(table.head(MOST_ROWS), ("stage", "state"))
        + _cut(len(table), "stages")
    )


def stage(records: Sequence[Record], names: Mapping[str, str], pictures: Pictures) -> str:
    """Return one stage of one run: the card of its last execution, its trials, its sweeps."""
    single = [record for record in records if record.sweep is None]
    parts = []
    if single:
        last = last_execution(single)
        parts.append(_source(last[-1]))
        parts.append(_card(last, pictures))
        parts.append(_findings(last))
        if len(single) > 1:
            parts.append(_trials(single, names))
    sweeps: dict[str, list[Record]] = {}
    for record in records:
        if record.sweep is not None:
            sweeps.setdefault(record.sweep, []).append(record)
    for n, (sweep, members) in enumerate(sweeps.items(), 1):
        heading = "sweep" if len(sweeps) == 1 else f"sweep {n} of {len(sweeps)}"
        parts.append(f"<h4>{heading} <span class='faint'>{escaped(sweep)}</span></h4>")
        parts.append(_source(members[-1]))
        parts.append(_sweep(members, names, pictures))
    return "".join(parts)


def _source(record: Record) -> str:
    return page.source(record.source) if record.source and record.source.strip() else ""


def _findings(records: Sequence[Record]) -> str:
    """Return all that stands out in an execution; the card has the first of it."""
    found = findings(records)
    listed = "".join(f"<li>{escaped(f'{each.sentence}; {each.next_step}', 600)}</li>" for each in found)
    return f"<p>Why it takes its time:</p><ul>{listed}</ul>" if len(found) > 1 else ""


def _trials(records: Sequence[Record], names: Mapping[str, str]) -> str:
    from e2e_magic.views import frames

    results = frames.results(records[-MOST_ROWS:], names)
    return _table(_chosen(results), _TEXTS) + _cut(len(records), "trials", "last")


def _sweep(records: Sequence[Record], names: Mapping[str, str], pictures: Pictures) -> str:
    """Return a sweep: the influence of its parameters, its trials best first, the best one's card."""
    from e2e_magic.views import frames

    ranked = frames.trials(records, names)
    by = str(ranked.attrs["metric"])
    charts = pictures.take(
        lambda: [page.figure(axes, f"influence of the parameters on {by}") for axes in _influence(ranked)]
    )
    best = {record.trial: record for record in records}[int(ranked["trial"].iloc[0])]
    return (
        f"<p>{counted(len(records), 'trial')}, best {escaped(by)} first.</p>"
        + "".join(charts)
        + _table(_chosen(ranked.head(MOST_ROWS)), _TEXTS)
        + _cut(len(ranked), "trials")
        + "<p class='faint'>The best trial:</p>"
        + _card([best], pictures)
    )


def _influence(ranked: pd.DataFrame) -> list[Any]:
    """Draw the effect of the parameters on the metric, where a swept one has several values."""
    from e2e_magic.views import charts

    swept = [
        name.removeprefix("param_")
        for name in ranked.columns
        if name.startswith("param_") and ranked[name].astype(str).nunique() > 1
    ]
    return [charts.influence(ranked)] if swept else []


def _card(records: Sequence[Record], pictures: Pictures) -> str:
    images = pictures.take(lambda: [picture.html() for picture in trial.pictures(records)])
    shown = card.html(records, said=pictures.said, images=images, folded=False, titled=False)
    pictures.said.update(card.no_energy(records))
    return shown


def comparison(
    records: Sequence[Record], names: Mapping[str, str], pictures: Pictures
) -> tuple[list[str], str]:
    """Return runs side by side: a sentence for each, and as HTML the chart and a row per stage and metric.

    Both are empty where none match.
    """
    from e2e_magic.views import frames
    from e2e_magic.views.comparison import compare

    where: dict[str, set[str]] = {}
    for record in records:
        where.setdefault(record.stage, set()).add(record.run)
    shared = [record for record in records if len(where[record.stage]) > 1]
    if not shared:
        return [], ""
    try:
        compared = compare(
            frames.results(shared, names),
            lambda: frames.epochs(shared, names),
            sources=[record.source for record in shared],
        )
    except PlanError as why:
        return [], page.note(str(why))
    if not len(compared.frame):
        return [], ""
    drawn = pictures.take(lambda: [page.figure(compared.plot(), "the runs side by side, stage by stage")])
    curves = pictures.take(
        lambda: [
            page.figure(compared.plot(y), "the runs' curves from a common zero")
            for y in _curves(compared.epochs)
        ]
    )
    paid = pictures.take(
        lambda: [
            page.figure(compared.plot("cost", y=y), "what each run costs, and what it gains for that")
            for y in _gains(compared)
        ]
    )
    found = compared.headlines()
    lines = [line for line in compared.lines() if line not in found]
    listed = "".join(f"<li>{escaped(line, 600)}</li>" for line in lines[:MOST_ROWS])
    return found, (
        f"<p>Compared with {escaped(compared.baseline)}:</p><ul>{listed}</ul>"
        + "".join([*drawn, *curves, *paid])
        + _ratios(compared.frame)
    )


def _ratios(frame: pd.DataFrame) -> str:
    """Return the ratios with their intervals as a table, and which test stands behind the verdicts."""
    table = frame[list(_COMPARED)].head(MOST_ROWS)
    ends = zip(frame["ratio_low"], frame["ratio_high"], strict=True)
    within = ["-" if math.isnan(low) else f"{digits(low)} to {digits(high)}" for low, high in ends]
    table.insert(_COMPARED.index("ratio") + 1, "95 % interval", within[:MOST_ROWS])
    tests = ", ".join(dict.fromkeys(frame["test"].replace("", None).dropna()))
    foot = page.note(f"test: {tests}; interval: bootstrap of the ratio of the medians") if tests else ""
    return _table(table) + _cut(len(frame), "comparisons") + foot


def _gains(compared: Comparison) -> list[str]:
    """Return the one gain to draw against wall time; none where fewer than two runs have it."""
    from e2e_magic.views.charts.cost_and_gain import GAINS, points
    from e2e_magic.views.frames import own_executions

    results = own_executions(compared.results)
    return [y for y in GAINS if len(points(results, "wall_time_s", y)) > 1][:1]


def _curves(epochs: pd.DataFrame) -> list[str]:
    """Return which of loss and accuracy were logged for several epochs."""
    several = epochs["epoch"].nunique() > 1 if len(epochs) else False
    return [y for y in ("loss", "accuracy") if several and y in epochs and epochs[y].notna().any()]


def _chosen(results: pd.DataFrame) -> pd.DataFrame:
    params = [name for name in results.columns if name.startswith("param_")][:12]
    table = results[[COLUMNS[0], *params, *(name for name in COLUMNS[1:] if name in results.columns)]]
    if len(table) and bool((table["state"] == "complete").all()):
        table = table.drop(columns="state")
    return table


def _table(frame: pd.DataFrame, texts: Sequence[str] | None = None) -> str:
    """Return a frame as a table: columns without a value left out, three significant digits."""
    from e2e_magic.views import frames

    table = frames.compact(frame)
    import pandas as pd

    right = [
        pd.api.types.is_numeric_dtype(frame[name].dtype) and (texts is None or name not in texts)
        for name in table.columns
    ]
    return page.table([str(name) for name in table.columns], table.to_numpy().tolist(), right)


def _cut(rows: int, what: str, kept: str = "first") -> str:
    return page.note(f"{rows} {what}; the {kept} {MOST_ROWS} are shown") if rows > MOST_ROWS else ""
