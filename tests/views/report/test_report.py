"""The report: everything on one page, escaped, bounded, whole or not there."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_magic.measuring.plan import PlanError
from e2e_magic.record import Code, Environment, Reason, Record, Run, Series
from e2e_magic.views import report as html_report
from e2e_magic.views.report import page
from tests.strategies import records as any_records

START = datetime(2026, 8, 1, tzinfo=UTC)
RUN = Run(
    "ab12cd",
    "baseline",
    START,
    "the first try",
    Environment(
        "bench", "Linux 6", "3.12", "a fast one", 8, 4, 16_384.0, "H100", "0123abcd", True, {"numpy": "2.4"}
    ),
)
HOSTILE = "<script>window.hit=1</script><img src=x onerror='window.hit=1'>\x00\x1b[31m\u202e\ud800"
VOID = {"meta", "img", "br", "link", "wbr"}


class Tags(HTMLParser):
    """Collects tags, addresses and text; a tag that closes another than the last is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Tags:
    """Parse a page and check what holds for every one."""
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen.count("script") == 1
    assert f"<script>{page.SCRIPT}</script></body>" in text
    assert all(
        address.startswith(("#", "data:image/png;base64,", "data:image/svg+xml;base64,"))
        for address in tags.addresses
    )
    anchors = [address[1:] for address in tags.addresses if address.startswith("#")]
    assert all(f'id="{anchor}"' in text for anchor in anchors)
    return tags


def trial(n: int, stage: str = "train", **more: Any) -> Record:
    """Make a trial of a second and a bit."""
    times = [k / 10 for k in range(20)]
    made = {
        "run": RUN.id,
        "stage": stage,
        "trial": n,
        "repeat": n,
        "state": "complete",
        "started_at": START + timedelta(seconds=n),
        "readings": {"wall_time_s": 1 + n / 100, "cpu_time_s": 0.5, "peak_rss_mib": 300.0},
        "series": {"rss_mib": Series.of(times, [200.0 + k for k in range(20)])},
    }
    return Record(**{**made, **more})


def words(text: str) -> str:
    """Return what a reader sees."""
    return " ".join("".join(read(text).words).split())


def test_the_page_shows_environment_pipeline_cards_curves_and_matrix() -> None:
    """Everything that a run has stands in its section, with headings and a list of contents."""
    full = trial(
        1,
        "validate",
        reported={"confusion": [[9, 1], [2, 8]], "classes": ["cat", "dog"], "loss": [2.0, 1.5, 1.0]},
    )
    text = html_report.render([RUN], [trial(1), trial(2, source="if a < b:\n    fit(X, y)\n"), full])
    seen = words(text)

    for part in ("baseline", "the first try", "bench", "a fast one", "8, 4 of them usable", "16 GiB", "H100"):
        assert part in seen
    assert "0123abcd, with changes that are not committed" in seen
    assert "numpy 2.4" in seen
    assert "train is the bottleneck" in seen
    # A card per stage; beside it a table of the trials where there are several.
    assert text.count('class="e2e-card"') == 2
    assert "median of 2" in seen
    # Pipeline, two timelines, a learning curve and a matrix.
    assert text.count("<img ") == 5
    assert re.findall(r'<a href="#([^"]+)">([^<]+)</a>', text) == [
        ("run-1", "Run baseline"),
        ("run-1-stage-1", "train"),
        ("run-1-stage-2", "validate"),
        ("machine", "Machine and packages"),
    ]
    # The finding first, packages last; a stage's name is its heading alone; its source is there.
    order = ["train is the bottleneck", "the first try", "fit(X, y)", "median of 2", "numpy 2.4"]
    places = [seen.index(part) for part in order]
    assert places == sorted(places)
    assert seen.count("train is the bottleneck") == 1
    assert 'font-size:1.1em">train' not in text
    assert "if a &lt; b:\n    fit(X, y)" in text


def test_why_there_is_no_energy_is_said_once() -> None:
    """By the first card; the others say that there is none."""
    reason = Reason(Code.NO_ENERGY_COUNTER, "no counters here")
    records = [trial(1, stage, missing={"energy": reason}) for stage in ("train", "infer")]
    text = words(html_report.render([RUN], records))

    assert text.count("no counters here") == 1
    assert text.count("energy: not measured") == 1


def test_a_sweep_is_a_table_best_first_with_the_best_ones_card() -> None:
    """Trials of a sweep are ranked by its metric; parameters are columns."""
    trials = [
        trial(n, repeat=1, sweep="s1", params={"lr": 10.0**-n}, reported={"loss": abs(n - 3) + 0.5})
        for n in range(1, 6)
    ]
    text = html_report.render([RUN], trials).replace("<wbr>", "")
    seen = words(text)

    assert "5 trials, best loss first." in seen
    head = re.findall(r"<th[^>]*>([^<]*)</th>", text)
    first = re.findall(r"<td[^>]*>([^<]*)</td>", text.split("param_lr")[1])
    assert first[0] == "3"
    assert head.count("param_lr") == 1


def test_several_runs_are_compared_first() -> None:
    """A comparison stands before the runs: what differs in words, the ratios, the chart."""
    second = replace(RUN, id="ff", name="variant", started_at=START + timedelta(hours=1))
    slow = {"wall_time_s": 5.0, "cpu_time_s": 0.5, "peak_rss_mib": 300.0}
    trials = [trial(n) for n in range(1, 9)]
    trials += [trial(n, run="ff", readings=slow | {"wall_time_s": 5 + n / 50}) for n in range(1, 9)]
    text = html_report.render([RUN, second], trials)

    seen = words(text)
    assert seen.index("Compared with baseline:") < seen.index("the first try")
    assert re.search(r"variant: train 4\.\d+x slower", seen)
    assert re.findall(r"<h2[^>]*>([^<]+)<", text) == [
        *("Runs side by side", "Run baseline", "Run variant"),
        "Machine and packages",
    ]
    assert "the runs side by side, stage by stage" in text
    assert "common zero" not in text  # nothing was logged
    assert "what each run costs" not in text  # and nothing gained
    assert "test: exact Mann-Whitney; interval: bootstrap of the ratio of the medians" in seen
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", text)
    row = cells[cells.index("wall_time_s") :][:10]
    assert row[0:4] == ["wall_time_s", "variant", "8", "8"]
    assert re.fullmatch(r"[\d.]+ to [\d.]+", row[7])
    assert row[9] == "slower"


def test_curves_of_several_runs_are_laid_over_each_other() -> None:
    """Where the runs logged a loss, their curves stand in one chart, and it stands against the time."""
    second = replace(RUN, id="ff", name="variant")
    logged = {"loss": [3.0, 2.0, 1.0]}
    trials = [trial(n, run=run, reported=logged) for run in (RUN.id, "ff") for n in range(1, 5)]
    text = html_report.render([RUN, second], trials)

    assert "the runs&#x27; curves from a common zero" in text
    assert text.count("what each run costs, and what it gains for that") == 1


def test_too_few_repeats_have_no_interval_and_no_test() -> None:
    """The table says so with a dash, without a p-value, and no test is named that was not made."""
    text = html_report.render([RUN, replace(RUN, id="ff", name="variant")], [trial(1), trial(1, run="ff")])
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", text)

    assert cells[cells.index("wall_time_s") :][6:9] == ["1", "-", "too few repeats"]
    assert "test: " not in words(text)


def test_runs_without_a_common_stage_are_not_compared() -> None:
    """There is nothing side by side, and no section that says nothing."""
    second = replace(RUN, id="ff", name="variant")
    text = html_report.render([RUN, second], [trial(1), trial(1, "other", run="ff")])

    assert "Runs side by side" not in text


def test_runs_of_one_name_are_told_apart() -> None:
    """Two runs with the same name stay two, by the beginning of their ids."""
    seen = words(
        html_report.render([RUN, replace(RUN, id="ffffffffff")], [trial(1), trial(1, run="ffffffffff")])
    )

    assert "Run baseline (ab12cd)" in seen
    assert "Run baseline (ffffffff)" in seen


@pytest.mark.parametrize("place", ["stage", "error", "params", "run", "description", "classes", "host"])
def test_hostile_text_is_text(place: str) -> None:
    """Markup and control characters in any text are shown, never interpreted."""
    record, run = trial(1), RUN
    if place == "stage":
        record = replace(record, stage=HOSTILE)
    elif place == "error":
        record = replace(record, state="failed", error=HOSTILE)
    elif place == "params":
        record = replace(record, sweep=HOSTILE, params={HOSTILE: HOSTILE})
    elif place == "classes":
        record = replace(record, reported={"confusion": [[1, 2], [3, 4]], "classes": [HOSTILE, "b"]})
    elif place == "run":
        run = replace(RUN, name=HOSTILE)
    elif place == "description":
        run = replace(RUN, description=HOSTILE)
    else:
        run = replace(RUN, environment=Environment(host=HOSTILE))
    text = html_report.render([run], [record, trial(2)])

    seen = words(text)
    text.encode()  # no lone surrogate is left
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    if place != "classes":  # they stand in the chart
        assert html.escape(HOSTILE[:40]) in text
        assert "<script>window.hit=1</script>" in seen


@settings(max_examples=15, deadline=None)
@given(st.lists(any_records(), min_size=1, max_size=3))
def test_any_records_make_a_page(found: list[Record]) -> None:
    """Whatever a kernel left behind, the page is well-formed and has no script but its own."""
    read(html_report.render([], found))


def test_a_name_of_a_megabyte_is_cut() -> None:
    """Names of a megabyte in 20 trials leave the page small."""
    long = "<b>" * 350_000
    trials = [
        trial(n, stage=f"{n % 3}{long}", error=long, params={long: long}, sweep="s") for n in range(1, 21)
    ]
    text = html_report.render([replace(RUN, name=long, description=long)], trials)

    read(text)
    assert len(text) < 2_000_000


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bounds the page says what it left out."""
    monkeypatch.setattr(page, "MOST_PICTURES", 3)
    monkeypatch.setattr("e2e_magic.views.report.MOST_STAGES", 4)
    monkeypatch.setattr("e2e_magic.views.report.sections.MOST_ROWS", 2)
    trials = [trial(1, stage=f"stage {n}") for n in range(6)]
    trials += [trial(n, repeat=1, stage="stage 0") for n in range(2, 6)]
    text = html_report.render([RUN], trials)

    assert text.count("<img ") == 3
    assert text.count('class="e2e-card"') == 4
    seen = words(text)
    assert (
        "2 stages of earlier runs stand in the tables only: a report shows 4 in full; report one run, or "
        "fewer, to see them" in seen
    )
    assert (
        "charts of 2 cards were left out, to keep the page small and quickly made; report one run, or fewer, "
        "to see them" in seen
    )
    assert "5 trials; the last 2 are shown" in seen
    assert "6 stages; the first 2 are shown" in seen


def test_charts_stop_when_their_time_is_up() -> None:
    """A slow machine's report leaves charts out, rather than taking minutes."""
    now = iter(range(0, 1000, 7))
    pictures = page.Pictures(clock=lambda: float(next(now)))
    from e2e_magic.views.charts.style import figure, png

    drawn = [pictures.take(lambda: [png(figure(20, 20))]) for _ in range(4)]

    assert [len(found) for found in drawn] == [1, 1, 0, 0]
    assert pictures.left_out == 2


def test_a_chart_that_fails_costs_itself_only() -> None:
    """The page says which error; the numbers stay."""

    def broken() -> list[bytes]:
        raise RuntimeError("no <font>")

    pictures = page.Pictures()
    assert pictures.take(broken) == []
    assert pictures.failed == ["a chart could not be drawn (RuntimeError: no <font>)"]


def test_a_picture_becomes_smaller_and_stays_a_picture() -> None:
    """Few colours, the same size in pixels, transparency kept."""
    import io

    from matplotlib.figure import Figure
    from PIL import Image

    from e2e_magic.views.charts.style import figure, png

    drawn: Figure = figure(300, 200)
    drawn.add_subplot().plot([1, 3, 2])
    before = png(drawn)
    after = page.smaller(before)

    assert len(after) < len(before)
    with Image.open(io.BytesIO(before)) as a, Image.open(io.BytesIO(after)) as b:
        assert a.size == b.size
        assert b.convert("RGBA").getpixel((1, 1))[3] == 0


def test_the_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """A failure leaves what had the name before, and nothing beside it."""
    target = tmp_path / "report.html"
    target.write_text("before")
    with pytest.raises(PlanError, match="nothing to report yet"):
        html_report.write(target, [RUN], [])

    assert target.read_text() == "before"
    written = html_report.write(target, [RUN], [trial(1)])
    assert written == target
    assert target.read_text("utf-8").endswith("</html>\n")
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("report.pdf", "path: a report is a page of HTML: expected a name such as report.html, got '.pdf'"),
        ("report", "path: a report is a page of HTML: expected a name such as report.html, got no suffix"),
        (
            "report.htmll",
            "path: a report is a page of HTML: expected a name such as report.html, got '.htmll' "
            "(did you mean .html?)",
        ),
    ],
)
def test_another_suffix_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """Only pages can be written."""
    with pytest.raises(PlanError) as caught:
        html_report.write(tmp_path / name, [RUN], [trial(1)])

    assert str(caught.value) == message


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    """The system's error comes in words, with what to do."""
    with pytest.raises(OSError, match="does not exist; create it first, or choose another") as caught:
        html_report.write(tmp_path / "no" / "report.html", [RUN], [trial(1)])

    assert str(caught.value).startswith(f"could not write {tmp_path / 'no' / 'report.html'}: ")


def test_the_magic_and_the_function_write_the_same_page(shell: Any, tmp_path: Path, capsys: Any) -> None:
    """``%e2e report`` and ``e2e.report`` are one."""
    import e2e_magic as e2e

    shell.run_cell("%e2ebench -q -s train 1 + 1", store_history=False).raise_error()
    shell.run_line_magic("e2e", f"report {tmp_path / 'a.html'}")
    e2e.report(tmp_path / "b.html")

    assert f"report written to {tmp_path / 'a.html'}" in capsys.readouterr().out
    pages = [re.sub(r"Made by.*?UTC", "", (tmp_path / n).read_text("utf-8")) for n in ("a.html", "b.html")]
    assert pages[0] == pages[1]
    assert "train" in words(pages[0])


def test_what_energy_rests_on_stands_with_the_run() -> None:
    """The idle power that was measured, and what was given: without them the joules can't be judged."""
    settings_of_run = {
        "baseline_power": {"package_w": 10.5, "dram_w": 1.5, "seconds": 10.0, "source": "rapl"},
        "carbon_g_per_kwh": 380.0,
        "estimate_power": [12.0, 65.0],
    }
    text = html_report.render([replace(RUN, settings=settings_of_run)], [trial(1)])
    words = " ".join(read(text).words)

    assert "12 W, measured (rapl)" in words
    assert "12 W idle, 65 W full, as given" in words
    assert "380 g per kWh, as given" in words
    assert "idle power" not in html_report.render([RUN], [trial(1)])


@pytest.mark.parametrize(("trials", "drawn"), [(1, 0), (2, 1)])
def test_energy_against_accuracy_is_drawn_for_several_trials(trials: int, drawn: int) -> None:
    """One point says what the numbers say; of several, a picture."""
    seen = range(1, trials + 1)
    readings = [{"wall_time_s": 1.0, "package_energy_j": 9.0 * n} for n in seen]
    records = [trial(n, reported={"accuracy": 0.8 + n / 20}, readings=readings[n - 1]) for n in seen]
    text = html_report.render([RUN], records)

    assert text.count('alt="what accuracy costs in energy, a point per trial"') == drawn
    read(text)
