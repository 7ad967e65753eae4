"""Completion as a front end asks for it: one request, one reply."""

from __future__ import annotations

from typing import Any

import pytest

LINES = [
    "%e2e ",
    "%e2e results --",
    "%e2e compare ",
    "%e2e compare --metric ",
    "%e2e influence --kind ",
    "%e2e export x.csv --frame ",
    "%%e2esweep train --",
    "%%e2ebench train -m ",
    "e2e.",
]


@pytest.fixture
def completed(fresh_kernel: Any) -> Any:
    """Give what completes a text at its end, in a kernel where one stage was measured."""
    fresh_kernel.execute("%load_ext e2e_magic\nimport e2e_magic as e2e\n%e2e store :memory:")
    fresh_kernel.execute("%%e2ebench train -q\nlr = 0.1")

    def complete(text: str) -> list[str]:
        content = fresh_kernel.client.complete(text, len(text), reply=True, timeout=30)["content"]
        start = content["cursor_start"]

        assert content["status"] == "ok"
        assert content["cursor_end"] == len(text)
        # JupyterLab shows these instead, where they are there.
        types = content["metadata"].get("_jupyter_types_experimental", ())

        assert [one["text"] for one in types] in ([], content["matches"])
        return [text[:start] + match for match in content["matches"]]

    return complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%e2e comp", ["%e2e compare"]),
        ("%e2e results --stage ", ["%e2e results --stage train"]),
        ("%%e2ebench train --warm", ["%%e2ebench train --warmup"]),
        ("e2e.mea", ["e2e.measure"]),
    ],
)
def test_a_front_end_gets_our_words(completed: Any, text: str, expected: list[str]) -> None:
    """Ours alone: where they fit, nothing of Python is between them."""
    assert completed(text) == expected


def test_completion_loads_no_library(completed: Any, fresh_kernel: Any) -> None:
    """A front end waits a second for it, and the measured process stays what it is."""
    for text in LINES:
        assert completed(text)
    libraries = "{'numpy', 'pandas', 'matplotlib', 'sqlalchemy', 'scipy', 'ipywidgets'}"
    loaded = fresh_kernel.execute(f"import sys; print(sorted({libraries} & set(sys.modules)))").stdout

    assert loaded.strip() == "[]"


def test_a_front_end_gets_public_names_only(completed: Any) -> None:
    """Of the package: neither its imports nor its folders."""
    names = completed("e2e.")

    assert "e2e.compare" in names
    assert not {"e2e.annotations", "e2e.TYPE_CHECKING", "e2e.measuring", "e2e.api"} & set(names)
