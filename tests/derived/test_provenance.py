"""Where a joule comes from and what it is worth: each source, each doubt, and silence where there is none."""

from __future__ import annotations

import pytest

from e2e_magic.derived.provenance import doubts, source


@pytest.mark.parametrize(
    ("name", "gpu_source", "text"),
    [
        ("package_energy_j", "", "RAPL, whole machine"),
        ("psys_energy_j", "", "RAPL, whole machine"),
        ("dram_energy_j", "", "RAPL"),
        ("net_energy_j", "", "above idle"),
        ("gpu_energy_j", "energy by counter, memory of the whole GPU", "NVML counter"),
        ("gpu_energy_j", "energy by counter and power samples", "NVML counter and power samples"),
        ("gpu_peak_memory_mib", "energy by counter, memory of the whole GPU", "the whole GPU"),
        ("gpu_peak_memory_mib", "energy by counter", ""),
        ("gpu_energy_j", "", ""),
        ("wall_time_s", "energy by counter", ""),
    ],
)
def test_a_source_in_words(name: str, gpu_source: str, text: str) -> None:
    """Counters say which they are; what was read from a GPU says how."""
    assert source(name, {"gpu_source": gpu_source}) == text


@pytest.mark.parametrize(
    ("values", "begins"),
    [
        ({"wall_time_s": 0.0049, "package_energy_j": 1.0}, "energy: 4.9 ms is short for a counter"),
        ({"wall_time_s": 0.0051, "package_energy_j": 1.0}, ""),
        ({"wall_time_s": 0.0049}, ""),
        (
            {"wall_time_s": 0.49, "gpu_energy_j": 1.0, "gpu_source": "energy by counter"},
            "GPU energy: 490 ms is short for a counter",
        ),
        ({"wall_time_s": 0.51, "gpu_energy_j": 1.0, "gpu_source": "energy by counter"}, ""),
        ({"wall_time_s": 0.49, "gpu_energy_j": 1.0, "gpu_source": "energy by power samples"}, ""),
        ({"wall_time_s": 1.0, "net_energy_j": -0.1}, "net energy is below 0"),
        ({"wall_time_s": 1.0, "net_energy_j": 0.1}, ""),
        ({}, ""),
    ],
)
def test_a_doubt_is_told_where_there_is_one(values: dict[str, object], begins: str) -> None:
    """A few steps of a counter, an idle power that can't be: nothing else is doubted."""
    said = doubts(values, {})

    assert len(said) == bool(begins)
    assert "".join(said).startswith(begins)


@pytest.mark.parametrize(("busy", "told"), [(99.4, True), (10.0, False), (None, False)])
def test_an_idle_power_of_a_busy_machine_is_doubted(busy: float | None, told: bool) -> None:
    """Once: that the net energy is below 0 follows from it."""
    said = doubts({"net_energy_j": -1.0}, {"baseline_power": {"busy_percent": busy}})

    assert [line.startswith("net energy is too low: the machine was 99 % busy") for line in said] == [told]
