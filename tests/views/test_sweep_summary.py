from __future__ import annotations

import pandas as pd
import pytest

from e2e_magic.views.sweep_summary import SHOWN, summary, text


def test_an_interrupted_trial_has_not_failed() -> None:
    """Stop says nothing about a combination: it counts neither as a repeat nor as a failure."""
    frame = pd.DataFrame(
        {
            "param_x": [1, 1, 2, 2, 3],
            "state": ["complete", "interrupted", "complete", "failed", "interrupted"],
            "loss": [0.5, None, 0.25, None, None],
        }
    )
    table = summary(frame, "loss", maximize=False)

    assert table["param_x"].tolist() == [2, 1, 3]
    assert table["repeats"].tolist() == [1, 1, 0]
    assert table["failed"].tolist() == [1, 0, 0]


def test_trials_that_were_ended_are_counted_apart() -> None:
    """Columns for what was pruned or over its limit are there where some were."""
    frame = pd.DataFrame(
        {"param_x": [1, 1, 2], "state": ["complete", "pruned", "over limit"], "loss": [0.5, 9.0, None]}
    )
    table = summary(frame, "loss", maximize=False)

    assert table[["repeats", "failed", "over limit", "pruned"]].to_numpy().tolist() == [
        [1, 0, 0, 1],
        [0, 0, 1, 0],
    ]
    assert table["loss"].tolist()[0] == 0.5
    assert text(table).splitlines()[0].split() == ["x", "over", "limit", "pruned", "loss"]


@pytest.mark.parametrize(("more", "sentence"), [(0, ""), (1, "1 more row"), (2, "2 more rows")])
def test_the_rows_that_are_left_out_are_counted(more: int, sentence: str) -> None:
    """Number and noun agree."""
    xs = list(range(SHOWN + more))
    frame = pd.DataFrame({"param_x": xs, "state": "complete", "loss": [float(x) for x in xs]})
    last = text(summary(frame, "loss", maximize=False)).splitlines()[-1]

    assert (last == f"{sentence}: .summary has all") is bool(sentence)
