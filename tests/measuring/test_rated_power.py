"""The power of a processor by its model, from a table in CodeCarbon's place and form."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.plan import Plan, PlanError
from e2e_magic.measuring.rated_power import plain, rated_power
from e2e_magic.session import Session

TABLE = """Name,TDP
AMD EPYC 7742,225
Intel Xeon E5-2686 v4,145.0
Intel Celeron 1000A,27.29.5
Intel Atom E625CT,2.7
Intel Atom E625CT,3.0
"""
INFO = "".join(f"processor : {n}\nphysical id\t: {n}\nflags\t\t: fpu {{}}\n\n" for n in (0, 1))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a package with the table on the path; it can't be imported."""
    folder = tmp_path / "site" / "codecarbon"
    (folder / "data" / "hardware").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('it is imported')")
    (folder / "data" / "hardware" / "cpu_power.csv").write_text(TABLE)
    about = tmp_path / "site" / "codecarbon-9.8.7.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: codecarbon\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    rated_power.cache_clear()
    yield tmp_path
    rated_power.cache_clear()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("AMD EPYC 7742 64-Core Processor", "amd epyc 7742"),
        ("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "intel xeon e5-2686 v4"),
        ("12th Gen Intel(R) Core(TM) i7-1260P", "intel core i7-1260p"),
        ("AMD Ryzen 7 PRO 4750U with Radeon Graphics", "amd ryzen 7 pro 4750u"),
        ("AMD Ryzen Threadripper 3990X Sixty-Four-Core Processor", "amd ryzen threadripper 3990x"),
    ],
)
def test_names_are_without_what_systems_add(model: str, name: str) -> None:
    """As Linux has them, and as the table has them."""
    assert plain(model) == plain(name) == name


def test_each_socket_counts_and_a_virtual_machine_says_that_it_has_a_part(table: Path) -> None:
    """The table's watts are of one whole processor."""
    (table / "bare").write_text(INFO)
    (table / "virtual").write_text(INFO.replace("{}", "hypervisor"))
    bare = rated_power("AMD EPYC 7742 64-Core Processor", str(table / "bare"))
    virtual = rated_power("AMD EPYC 7742 64-Core Processor", str(table / "virtual"))

    assert bare == (
        45.0,
        450.0,
        "CodeCarbon 9.8.7 (MIT licence): 2 x AMD EPYC 7742 64-Core Processor, rated 450 W, a tenth when idle",
    )
    assert virtual == (
        22.5,
        225.0,
        "CodeCarbon 9.8.7 (MIT licence): 1 x AMD EPYC 7742 64-Core Processor, rated 225 W, a tenth when "
        "idle; of the whole processor, of which this virtual machine has a part: an upper bound",
    )
    assert rated_power("AMD EPYC 7742", str(table / "none"))[:2] == (22.5, 225.0)


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    "model", ["Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Atom E625CT", "Intel Celeron 1000A"]
)
def test_a_model_that_is_not_there_is_an_error_with_what_to_type(model: str) -> None:
    """Colab's processor has no number; two numbers are none."""
    with pytest.raises(PlanError) as caught:
        rated_power(model)

    assert str(caught.value) == (
        f"estimate_power: the table of CodeCarbon 9.8.7 has no processor {model!r}; type the idle and the "
        "full power of the machine in W instead, such as 12,65"
    )


def test_without_the_table_the_error_names_the_command() -> None:
    """In a process that has no site-packages at all."""
    code = (
        "from e2e_magic.measuring.plan import Plan\n"
        "try:\n    Plan(estimate_power='auto')\nexcept ValueError as error:\n    print(error)"
    )
    root = str(Path(e2e.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.append({root!r})\n{code}"],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == (
        "estimate_power: auto looks the processor up in CodeCarbon's table, which is not installed: pip "
        "install 'e2e-magic[estimate]' (the table alone: pip install --no-deps codecarbon); or type the "
        "idle and the full power of the machine in W instead, such as 12,65\n"
    )


@pytest.mark.usefixtures("table")
def test_auto_is_an_estimate_of_this_machine_and_imports_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cell and of a run: the row says estimate, grams and money have columns of their own."""
    monkeypatch.setattr("e2e_magic.measuring.rated_power.cpu", lambda: "AMD EPYC 7742 64-Core Processor")
    e2e.run("there", estimate_power="auto", zone="DE", price="0.31EUR")
    with e2e.measure("train", metrics="cpu"):
        sum(range(200_000))

    row = e2e.results().iloc[-1]
    joules = row["estimated_energy_j"]
    assert row["energy_source"] == "estimate"
    assert joules > 22.5 * row["wall_time_s"]
    assert row["estimated_co2_g"] == pytest.approx(joules / 3.6e6 * 380.9)
    assert row["estimated_energy_cost_eur"] == pytest.approx(joules / 3.6e6 * 0.31)
    assert "energy_cost_eur" not in row.index
    units = e2e.results().attrs["units"]
    assert (units["estimated_co2_g"], units["estimated_energy_cost_eur"]) == ("g", "EUR")
    run: Any = e2e.runs().iloc[-1]
    assert run["carbon_source"] == "Germany 2023, 380.9 g/kWh (CodeCarbon 3.3.2, MIT licence)"
    assert run["price_per_kwh"] == "0.31 EUR"
    assert "W full, CodeCarbon 9.8.7 (MIT licence): " in run["power_source"]
    assert "codecarbon" not in sys.modules
    plan = Plan(estimate_power="auto")  # type: ignore[arg-type] - as a line gives it
    assert Plan.of("train", {"estimate_power": plan.estimate_power}) == Plan(
        stage="train", estimate_power=plan.estimate_power
    )
    assert session.run.settings["carbon_g_per_kwh"] == 380.9
