"""The table of grams of CO2 by zone, and the price of a kWh."""

from __future__ import annotations

from typing import Any

import pytest

import e2e_magic as e2e
from e2e_magic.measuring.grid import price, zone
from e2e_magic.measuring.plan import PlanError, run_settings


@pytest.mark.parametrize("word", ["DE", "de", "DEU", "Germany", " germany "])
def test_a_country_by_code_or_name(word: str) -> None:
    """The year and the source are said."""
    assert str(zone(word)) == "Germany 2023, 380.9 g/kWh (CodeCarbon 3.3.2, MIT licence)"


def test_states_of_the_us_have_their_own() -> None:
    """Georgia is the country, US-GA the state."""
    assert (zone("US-CA").name, zone("US-CA").year) == ("California", 2023)
    assert "eGRID2023" in zone("US-CA").source
    assert zone("Georgia").code == "GE"
    assert zone("US-GA").name == "Georgia"
    assert zone("FR").g_per_kwh < zone("US").g_per_kwh < zone("PL").g_per_kwh


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (
            {"zone": "Germny"},
            "zone: there is no zone 'Germny' (did you mean Germany?); expected a country by code or name, "
            "such as DE, or a state of the US, such as US-CA; or give the grams yourself: carbon 380",
        ),
        (
            {"zone": "XX"},
            "zone: there is no zone 'XX'; expected a country by code or name, such as DE, or a state of the "
            "US, such as US-CA; or give the grams yourself: carbon 380",
        ),
        (
            {"zone": "DE", "carbon": 380},
            "zone: the grams of CO2 are given by carbon already; leave one of the two out",
        ),
        (
            {"price": "0.31"},
            "price: expected money per kWh with its currency's three letters, such as 0.31EUR, got '0.31'",
        ),
        (
            {"price": "-1EUR"},
            "price: expected money per kWh with its currency's three letters, such as 0.31EUR, got '-1EUR'",
        ),
        (
            {"price": 0.31},
            "price: expected money per kWh with its currency's three letters, such as 0.31EUR, got 0.31",
        ),
    ],
)
def test_what_is_no_zone_and_no_price_is_said(given: dict[str, Any], text: str) -> None:
    """What came, what is allowed, the nearest, the next step."""
    with pytest.raises(PlanError) as caught:
        run_settings(**given)

    assert str(caught.value) == text


def test_a_price_is_plain_data() -> None:
    """A space is allowed, and small letters."""
    assert price("0.31EUR") == price(".31 eur") == {"per_kwh": 0.31, "currency": "EUR"}


def test_the_magic_says_source_and_year(shell: Any) -> None:
    """`%e2e run NAME --zone DE --price 0.31EUR`: grams and money of measured energy have columns."""
    from e2e_magic.derived import derive
    from e2e_magic.record import Record

    shell.run_cell("%e2e run there --zone US-CA --price 0.31EUR").raise_error()
    with e2e.measure("train", metrics="cpu"):
        pass
    record = e2e.session.current().records[-1]
    measured = Record(
        record.run, "train", 1, 1, "complete", record.started_at,
        readings={"wall_time_s": 1.0, "package_energy_j": 3.6e6}, reported=record.reported,
    )  # fmt: skip

    values = derive(measured).values
    assert (values["co2_g"], values["energy_cost_eur"]) == (zone("US-CA").g_per_kwh, 0.31)
    refused = shell.run_cell("%e2e run there --zone DEE --carbon 3")
    assert "leave one of the two out" in str(refused.error_in_exec)
