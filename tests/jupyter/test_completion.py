from __future__ import annotations

import re
from typing import Any

import pytest
from IPython.core import completer

import e2e_magic
from e2e_magic.jupyter.subcommands import SUBCOMMANDS

WHOLE_CELL = pytest.mark.skipif(
    not hasattr(completer, "CompletionContext"), reason="needs IPython 8.6, which says what is below the line"
)


@pytest.fixture
def completed(shell: Any) -> Any:
    """Give what completes a text whose cursor is at ``|``: the texts as they would stand there."""
    shell.run_cell("import e2e_magic as e2e, e2e_magic\n%e2e run 'first run'\n%e2e run second")
    shell.run_cell("%%e2ebench train --loss 0.5 -q\n1")
    shell.run_cell("%%e2esweep fit width=1,2 -q\nwidth")
    shell.user_ns |= {"lr": 0.1, "batch_size": 16, "model": object()}
    shell.run_cell("def preprocess(rows):\n    return rows")

    def complete(text: str) -> list[str]:
        cursor = text.index("|")
        whole = text.replace("|", "")
        with completer.provisionalcompleter():
            found = list(shell.Completer.completions(whole, cursor))
        return [whole[: one.start] + one.text for one in found]

    return complete


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("%e2e com|", ["compare"]),
        ("%e2e re|", ["results", "report"]),
        ("%e2e results --st|", ["--stage"]),
        ("%e2e results --stage |", ["train", "fit"]),
        ("%e2e results --stage tr|", ["train"]),
        ("%e2e compare sec|", ["second"]),
        ("%e2e compare second --baseline |", ['"first run"']),
        ("%e2e compare second --metric lo|", ["loss"]),
        ("%e2e compare second --metric wall_time_s,lo|", ["loss"]),
        ("%e2e influence |", ["train", "fit"]),
        ("%e2e influence fit -x |", ["width"]),
        ("%e2e influence fit --kind |", ["line", "heatmap", "surface", "parallel", "curves"]),
        ("%e2e curves -x |", ["epoch", "t_s"]),
        ("%e2e pareto wall_time_s lo|", ["loss"]),
        ("%e2e auto |", ["on", "off"]),
        ("%e2e panel f|", ["fit"]),
        ("%e2e export out.csv --frame tri|", ["trials"]),
        ("%%e2ebench tr|", ["train"]),
        ("%%e2ebench train --rep|", ["--repeat"]),
        ("%%e2ebench train --lines |", ["preprocess"]),
        ("%%e2ebench train --lines other,pre|", ["preprocess"]),
        ("%%e2ebench train --lines --rep|", ["--repeat"]),
        ("%%e2ebench train -m cp|", ["cpu"]),
        ("%%e2ebench train -m cpu,mem|", ["memory"]),
        ("%e2ebench --est|", ["--estimate-power"]),
        ("%e2ebench -s fi|", ["fit"]),
        ("%%e2esweep f|", ["fit"]),
        ("%%e2esweep fit --search |", ["grid", "random", "tpe"]),
        ("%%e2esweep fit --engine lo|", ["local:2"]),
        ("%%e2esweep fit --target lo|", ["loss"]),
        pytest.param(
            "%%e2esweep fit |\nlr + batch_size + len(str(model))", ["batch_size=", "lr="], marks=WHOLE_CELL
        ),
        pytest.param("%%e2esweep fit lr=1 ba|\nlr + batch_size", ["batch_size="], marks=WHOLE_CELL),
        ("value = 1\n%e2e compare sec|", ["second"]),
    ],
)
def test_what_completes_a_line(completed: Any, text: str, first: list[str]) -> None:
    """Names come from the session, options from the grammars, and nothing of Python is between them."""
    found = [word[text.index("|") - len(_half(text)) :] for word in completed(text)]

    assert found[: len(first)] == first
    assert all(word.startswith(_half(text)) for word in found)


def _half(text: str) -> str:
    """Return the word that is half typed."""
    return re.split(r"[\s,]", text.partition("|")[0])[-1]


def test_the_kinds_of_influence_are_the_charts(completed: Any) -> None:
    """They stand in the completion once more, so that it needs no library that draws."""
    from e2e_magic.views.charts.influence_of import KINDS

    assert completed("%e2e influence --kind |") == [f"%e2e influence --kind {kind}" for kind in KINDS]


@pytest.mark.parametrize("name", ["e2e", "e2e_magic"])
def test_the_package_offers_its_public_names(completed: Any, name: str) -> None:
    """No import, no folder, nothing private; and with a first letter those that begin with it."""
    assert completed(f"{name}.|") == [f"{name}.{public}" for public in sorted(e2e_magic.__all__)]
    assert completed(f"1 + {name}.mea|") == [f"1 + {name}.measure"]


@pytest.mark.parametrize(
    "text",
    ["lr.re|", "other.e2e.re|", "%e2e nothing re|", "%e2ebench -s fit lr.re|", "%%e2ebench fit\nlr.re|"],
)
def test_elsewhere_ipython_completes(completed: Any, text: str) -> None:
    """Python is IPython's own: an attribute of a variable, a statement, the body of a cell."""
    assert not any(word.endswith(("results", "report")) for word in completed(text))


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_each_subcommand_has_its_options(completed: Any, name: str) -> None:
    """Its grammar is asked, and nothing is run by that."""
    options = completed(f"%e2e {name} --|")

    assert all(option.startswith(f"%e2e {name} --") for option in options)
    assert len(completed("%e2e compare |")) == 2  # no run was started


def test_unloaded_nothing_of_ours_is_offered(completed: Any, shell: Any) -> None:
    """The extension takes its completion with it."""
    shell.run_line_magic("unload_ext", "e2e_magic")

    assert "annotations" in " ".join(completed("e2e.|"))
    assert shell.Completer.custom_matchers == []
