"""The sentence on who holds what a cell kept, and what a store may bring of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from e2e_magic.derived.kept import kept_sentence
from e2e_magic.storage import checking
from tests.store_contract import record

KEPT = {
    "kept_mib": 223.4,
    "names": [["digits", 30.2, False], ["X_train", 24.0, False], ["parts", 1.25, True]],
    "others": [3, 2.0, False],
    "unnamed_mib": 120.4,
    "imported": ["sklearn", "scipy"],
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "+223 MiB kept: digits 30, X_train 24, parts at least 1.2, 3 others 2, "
            "120 unnamed (imports of this cell: sklearn, scipy)",
        ),
        ({"names": [], "others": [1, 0.1, False], "imported": []}, "+223 MiB kept: 120 unnamed"),
        (
            {
                "names": [["a\nb", 2000.0, False]],
                "others": [0, 0, False],
                "unnamed_mib": 0.2,
                "kept_mib": 2000.0,
            },
            "+1.95 GiB kept: a b 2,000",
        ),
    ],
)
def test_the_sentence_names_them_in_mib(changes: dict[str, Any], sentence: str) -> None:
    """Largest first; what has no name last, with what was imported."""
    whole = replace(record(1), reported={"kept": {**KEPT, **changes}})

    assert kept_sentence(whole) == sentence
    checking.reported(whole.reported)
    assert kept_sentence(record(1)) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"names": None},
        {"names": [["digits", "30", False]]},
        {"names": [[1, 30.0, False]]},
        {"others": [3, 2.0]},
        {"others": ["3", 2.0, False]},
        {"unnamed_mib": float("nan")},
        {"kept_mib": None},
        {"imported": "sklearn"},
        {"imported": [1]},
    ],
)
def test_a_damaged_row_of_a_store_is_refused(changes: dict[str, Any]) -> None:
    """It costs that row, not the card."""
    with pytest.raises(ValueError, match=r"^kept is none: "):
        checking.reported({"kept": {**KEPT, **changes}})
