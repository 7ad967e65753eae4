from __future__ import annotations

import asyncio
import signal
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

from e2e_magic.jupyter.sweep_arguments import read

TRAIN = "print('lr', lr)\nseen = lr\n{'loss': lr * b}"


def usage(shell: Any, cell: str) -> str:
    """Run a cell that must be refused, and return what is said."""
    with pytest.raises(UsageError) as caught:
        shell.run_cell(cell).raise_error()
    return str(caught.value)


def test_a_cell_is_swept(shell: Any, session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Parameters are variables of the cell; prints stand below their trial; the value is the result."""
    shell.user_ns.update(lr="mine")
    value = shell.run_cell(f"%%e2esweep train lr=0.1,0.2 b=[2] -m cpu -o kept\n{TRAIN}").result

    assert value is shell.user_ns["kept"]
    assert value.best == {"lr": 0.1, "b": 2}
    assert value.frame["param_lr"].tolist() == [0.1, 0.2]
    assert (shell.user_ns["lr"], shell.user_ns["seen"]) == ("mine", 0.2)
    assert "b" not in shell.user_ns
    assert capsys.readouterr().out.startswith(
        "trial 1: lr=0.1, b=2\nlr 0.1\ntrial 2: lr=0.2, b=2\nlr 0.2\nOut["
    )
    assert {TRAIN, TRAIN + "\n"} & {record.source for record in session.records}


def test_values_are_evaluated_in_the_users_namespace(shell: Any, session: Any) -> None:
    """VALUES may use the user's variables; numpy's helpers and zip are at hand."""
    shell.user_ns.update(widths=[1, 2], base=3)
    shell.run_cell(
        '%%e2esweep t w=widths lr=geomspace(0.1,10,3) "(a, b)=zip([base, 4], [5, 6])" -m cpu -q\n'
        "{'loss': w * lr * a * b}"
    ).raise_error()

    assert len(session.records) == 12
    assert session.records[0].params == {"w": 1, "lr": 0.1, "a": 3, "b": 5}
    assert {float} == {type(record.params["lr"]) for record in session.records}


@pytest.mark.parametrize("name", ["λ", "größe", "学习率", "\N{MICRO SIGN}", "e\N{COMBINING ACUTE ACCENT}té"])
def test_any_name_of_a_variable_is_a_parameter(shell: Any, session: Any, name: str) -> None:  # noqa: ARG001
    """As Python reads it: names that look alike are one."""
    shell.run_cell(f"%%e2esweep n {name}=1,2 -q -o kept -m cpu\n{name} * 2")
    shell.run_cell(f'%%e2esweep z "({name}, other)=zip([1, 2], [3, 4])" -q -o both -m cpu\n{name} * other')
    column = f"param_{unicodedata.normalize('NFKC', name)}"

    assert shell.user_ns["kept"].frame[column].tolist() == [1, 2]
    assert shell.user_ns["both"].frame[column].tolist() == [1, 2]


def test_a_quiet_sweep_shows_only_what_trials_print(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With -q the result is in the variable only, and there it is whole."""
    assert shell.run_cell("%%e2esweep t x=1,2 -q -o kept -m cpu\nx").result is None
    assert capsys.readouterr().out == ""
    assert 2 == len(shell.user_ns["kept"].frame) == len(session.records)
    assert len(repr(shell.user_ns["kept"]).splitlines()) > 2
    assert "<table" in shell.user_ns["kept"]._repr_html_()


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (
            "%%e2esweep train lr=1,2 batch=3\nlr * batch_size",
            "batch: the cell never reads this parameter (did you mean batch_size?), so that each trial "
            "would be the same",
        ),
        (
            "%%e2esweep train lr=1,2\nlr = 0.1\nlr * 2",
            "lr: the cell sets lr itself before it reads it, so that each trial would be the same; take "
            "that line out",
        ),
        (
            "%%e2esweep train\nlr",
            "parameters: a sweep needs at least one, NAME=VALUES such as lr=0.1,0.01",
        ),
        (
            "%%e2esweep train lr=uniform(0,1)\nlr",
            "lr: a grid needs a list of values, got uniform(0, 1); try --search random, or values such as "
            "linspace(0, 1, 5)",
        ),
        (
            "%%e2esweep train lr=nothing\nlr",
            "lr: 'nothing' could not be evaluated (NameError: name 'nothing' is not defined)",
        ),
        (
            "%%e2esweep train lr=1 --target los\nlr",
            "target: there is no metric 'los' (did you mean loss?); %e2e metrics lists them",
        ),
        (
            "%%e2esweep train lr=1 --serch random\nlr",
            "%%e2esweep: there is no option --serch (did you mean --search?); allowed are",
        ),
        (
            "%%e2esweep train lr=1 --trials some\nlr",
            "%%e2esweep: argument --trials: expected a whole number, got 'some'. See %%e2esweep? for all "
            "options",
        ),
        (
            "%%e2esweep train lr=1 --engine local:2\n!ls {lr}\nlr",
            "engine: the cell uses a magic, !shell or get_ipython(), which only this kernel has; leave it "
            "out or use --engine kernel",
        ),
    ],
)
def test_a_wrong_line_is_a_usage_error_before_the_first_trial(
    shell: Any, session: Any, cell: str, sentence: str
) -> None:
    """What is wrong is said in one sentence, and nothing has run."""
    assert usage(shell, cell).startswith(sentence)
    assert not session.records


@pytest.mark.parametrize(
    "cell",
    [
        "def f():\n    return lr\nf()",
        "[lr for _ in range(2)]",
        "exec('y = lr')",
        "globals()['lr']",
        "%time lr",
        "use_lr()",
    ],
)
def test_parameters_read_in_other_ways(shell: Any, session: Any, cell: str) -> None:
    """Nested functions, the user's own functions, exec and magics may read a parameter."""
    shell.run_cell("def use_lr():\n    return lr * 2")
    shell.run_cell(f"%%e2esweep t lr=1,2 -m cpu -q\n{cell}").raise_error()

    assert [record.state for record in session.records] == ["complete"] * 2


def test_failed_trials_are_said_and_the_sweep_goes_on(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed trial is a line, a row, and no failure of the cell."""
    shell.run_cell("%%e2esweep t x=0,1 -m cpu -q\n1 / x").raise_error()

    assert [record.state for record in session.records] == ["failed", "complete"]
    assert capsys.readouterr().err == "e2e_magic: trial 1: x=0 failed: ZeroDivisionError: division by zero\n"


def test_fail_fast_fails_the_cell_with_the_users_error(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cell fails as without the magic: the user's own traceback; the rows so far are shown."""
    outcome = shell.run_cell("%%e2esweep t x=1,0,2 -m cpu --fail-fast -o kept\nprint(x)\n1 / x")
    shown = capsys.readouterr().out

    assert isinstance(outcome.error_in_exec, ZeroDivisionError)
    assert "1 / x" in shown
    assert "e2e_magic" not in shown
    assert "t: 2 of 3 trials (1 failed)" in shown
    assert 2 == len(shell.user_ns["kept"].frame) == len(session.records)


def test_an_interrupt_shows_the_rows_and_goes_on(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """KeyboardInterrupt ends the cell; what finished is shown."""
    outcome = shell.run_cell("%%e2esweep t x=1,2,3 -m cpu\nif x == 2:\n    raise KeyboardInterrupt\nx")

    assert isinstance(outcome.error_in_exec or outcome.error_before_exec, KeyboardInterrupt)
    assert [record.state for record in session.records] == ["complete", "interrupted"]
    assert "t: 2 of 3 trials (1 interrupted)" in capsys.readouterr().out


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.dictionaries(st.sampled_from(["lr", "b", "other"]), st.integers(), max_size=3),
    body=st.sampled_from(
        ["pass", "1 / 0", "raise KeyboardInterrupt", "del lr", "lr = b = 7", "raise SystemExit"]
    ),
    options=st.sampled_from(["", "--fail-fast", "-r 2 -w 1", "--shuffle"]),
)
def test_the_users_variables_come_back(shell: Any, before: dict[str, int], body: str, options: str) -> None:
    """Whatever happens in the trials, the parameters' names mean what they meant before."""
    for name in ("lr", "b", "other"):
        shell.user_ns.pop(name, None)
    shell.user_ns.update(before)
    shell.run_cell(f"%%e2esweep t lr=0.1,0.2 b=1 -m cpu -q {options}\nlr, b\n{body}")

    for name in ("lr", "b", "other"):
        assert (name in before) == (name in shell.user_ns)
        assert before.get(name) == shell.user_ns.get(name)


def test_a_cell_that_awaits_is_swept(shell: Any, session: Any) -> None:
    """Top-level await works: the sweep runs on the loop that runs the cell."""
    body = "%%e2esweep t x=1,2 -m cpu -q -o kept\nimport asyncio\nawait asyncio.sleep(0)\n{'loss': x}"
    outcome = asyncio.run(shell.run_cell_async(body, transformed_cell=shell.transform_cell(body)))
    outcome.raise_error()

    assert shell.user_ns["kept"].frame["loss"].tolist() == [1.0, 2.0]
    assert [record.state for record in session.records] == ["complete"] * 2


def test_a_sweep_on_workers(shell: Any, session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With --engine the cell runs elsewhere, with the notebook's functions, and its prints come back."""
    shell.run_cell("def square(n):\n    return n * n * scale\nscale = 10")
    shell.run_cell(
        "%%e2esweep t x=1,2 -m cpu --engine local:2\nprint('x is', x)\n{'loss': square(x)}"
    ).raise_error()
    shown = capsys.readouterr().out

    assert {r.params["x"]: r.reported["loss"] for r in session.records} == {1: 10, 2: 40}
    assert "trial 1: x=1\nx is 1\n" in shown
    assert "trial 2: x=2\nx is 2\n" in shown


def test_expressions_see_the_parameters(shell: Any, session: Any) -> None:
    """EXPR options are evaluated while the parameters are in place."""
    shell.run_cell("%%e2esweep t x=1,2 -m cpu -q -n x*100 --loss y\ny = x / 2").raise_error()

    assert [record.reported["entries"] for record in session.records] == [100, 200]
    assert [record.reported["loss"] for record in session.records] == [0.5, 1.0]


def test_help_is_shown_and_nothing_runs(shell: Any, session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """-h shows the options."""
    shell.run_cell("%%e2esweep t x=1 -h\nx").raise_error()

    assert "--search grid|random|tpe" in capsys.readouterr().out
    assert not session.records


def test_parameters_stand_anywhere_on_the_line() -> None:
    """Options, stage and parameters come in any order; an option's value with = is no parameter."""
    options = read(
        "a=1,2 train -n total==3 'layers=[(8,), (8, 8)]' --target loss \"(x, y)=zip([1], [2])\" -q"
    )

    assert options.parameters == ["a=1,2", "layers=[(8,), (8, 8)]", "(x, y)=zip([1], [2])"]
    assert (options.stage, options.target, options.quiet) == ("train", "loss", True)


def test_an_engine_without_its_package_is_a_usage_error(
    shell: Any, session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that names the pip command, and no traceback."""
    for module in ("distributed", "ray"):
        monkeypatch.setitem(sys.modules, module, None)
    shell.run_cell("%%e2esweep train x=1,2 --engine dask://127.0.0.1:1\nx", store_history=False)
    shell.run_cell("%%e2esweep train x=1,2 --engine ray\nx", store_history=False)
    lines = (said := capsys.readouterr()).err.splitlines() or said.out.splitlines()

    assert lines[0] == (
        'UsageError: engine: dask://HOST:PORT needs Dask: pip install "e2e-magic[dask]", or use local:N'
    )
    assert lines[1] == 'UsageError: engine: ray needs Ray: pip install "e2e-magic[ray]", or use local:N'
    assert len(lines) == 2
    assert not session.records


def test_a_workers_error_shows_none_of_our_frames(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --fail-fast: the lines of the user's where they happened, and the error at the end."""
    shell.run_cell(
        "%%e2esweep train x=1,2 -m cpu --engine local:1 --fail-fast\nif x == 2:\n    raise ValueError('no')",
        store_history=False,
    )
    shown = capsys.readouterr()
    text = shown.out + shown.err

    assert "e2e_magic/" not in text.replace("\\", "/")
    assert "run_cell_magic" not in text
    assert "raise ValueError('no')" in text
    assert text.rstrip().endswith("ValueError: no")
    assert [record.state for record in session.records] == ["complete", "failed"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_what_a_worker_cant_open_is_a_usage_error(
    shell: Any, session: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails only in the worker is said in one sentence as well, without a traceback of ours."""
    shell.run_cell("class Bad:\n    def __reduce__(self):\n        return (eval, ('1/0',))\nbad = Bad()")
    result = shell.run_cell("%%e2esweep train x=1,2 --engine local:2\nbad, x")
    said = capsys.readouterr()

    assert type(result.error_in_exec) is UsageError
    assert str(result.error_in_exec) == (
        "engine: the worker can't open what the code needs (ZeroDivisionError: division by zero)"
    )
    assert "Traceback" not in said.out + said.err
    assert not session.records


def test_a_worker_that_died_is_said_once(
    shell: Any, session: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trial that was tried once more has two rows and counts once."""
    shell.user_ns["flag"] = str(tmp_path / "flag")
    shell.run_cell(
        "%%e2esweep train x=1,2,3 -m cpu --engine local:1 -o r\n"
        "import os, signal\n"
        "if x == 2 and not os.path.exists(flag):\n"
        "    open(flag, 'w').close()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "{'loss': x}",
        store_history=False,
    )
    shown = capsys.readouterr()

    assert shown.err.splitlines() == [
        "e2e_magic: trial 2: x=2: its worker process died (killed, or out of memory); it is tried once more. "
        "The row says failed, and the sweep goes on"
    ]
    assert repr(shell.user_ns["r"]).splitlines()[0] == (
        "train: 3 of 3 trials (1 tried again as the worker died); best loss 1 at x=1"
    )
    assert len(session.records) == 4


def test_influence_over_epochs(shell: Any, session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The seed's surface over epochs and batch size, and curves laid over each other, on one line each."""
    shell.run_cell(
        "%%e2esweep train batch_size=2,4,8,16 -m cpu -q\n"
        "{'loss': [batch_size / n for n in range(1, 6)], 'other': 1}",
        store_history=False,
    )
    for line in (
        "%e2e influence train -x epoch,batch_size --kind surface",
        "%e2e influence train --kind heatmap",
        "%e2e influence train -y loss --kind curves",
    ):
        with capture_output() as shown:
            assert shell.run_cell(line, store_history=False).success
        assert "data:image/png;base64," in shown.outputs[0].data["text/html"], line
    capsys.readouterr()
    shell.run_cell("%e2e influence train -x epoch,batch_sise --kind surface", store_history=False)
    said = capsys.readouterr()

    assert "UsageError: there is no parameter 'batch_sise'" in said.err + said.out
    assert "(did you mean batch_size?)" in said.err + said.out
    assert len(session.records) == 4
