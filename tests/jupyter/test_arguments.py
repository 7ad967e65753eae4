"""The grammar of the lines: any text gives a result or a `UsageError`, never our traceback."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError

from e2e_magic.jupyter import arguments, magic_line

_WORDS = (
    'train -r 3 --repeat -w --loss x -m cpu -q -- -o ( ] " --target-accuracy 0.9 {x} $x -i 0 nan -h '
    "--estimate-power 1,2 --y-true"
)
_words = st.sampled_from(_WORDS.split())
_lines = st.one_of(st.text(max_size=40), st.lists(_words, max_size=6).map(" ".join))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_lines)
@example("--repeat 99999999999999999999")
@example("\x00")
@example("--loss \x00")
def test_any_cell_line_runs_the_cell_or_is_a_usage_error(shell: Any, line: str) -> None:
    """A wrong line never runs the cell and never shows a traceback of ours."""
    shell.user_ns["ran"] = 0
    wrong, said = False, ""
    try:
        options = arguments.cell_parser().read([word.text for word in magic_line.split(line)])
        if options.repeat > 50 or options.warmup > 50:
            return
        shell.run_cell_magic("e2ebench", f"{line} -q", "ran += 1")
    except UsageError as error:
        wrong = True
        said = str(error)

    assert len(said.splitlines()) <= 2 or not line.isprintable()
    assert (shell.user_ns["ran"] == 0) == (wrong or options.help)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_lines)
def test_any_subcommand_line_is_a_value_or_a_usage_error(shell: Any, line: str) -> None:
    """`%e2e` with any text."""
    try:
        shell.run_line_magic("e2e", f"metrics {line}")
        shell.run_line_magic("e2e", f"results {line}")
    except UsageError:
        pass


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("train -r 3", ["train", "-r", "3"]),
        ("'two words' -q", ["two words", "-q"]),
        ("--loss history['my loss'][-1] -q", ["--loss", "history['my loss'][-1]", "-q"]),
        ("--entries len(a) + 1", ["--entries", "len(a)", "+", "1"]),
        ('--entries "len(a) + 1"', ["--entries", "len(a) + 1"]),
        ("--loss f(a, b)", ["--loss", "f(a, b)"]),
        ('--entries="len(a) + 1" -q', ["--entries=len(a) + 1", "-q"]),
        ("--loss=history['my loss'] train", ["--loss=history['my loss']", "train"]),
        ("it's", ["it's"]),
        ("--classes ['a', 'b']", ["--classes", "['a', 'b']"]),
        ("'a' + 'b'", ["a", "+", "b"]),
        ("{x} $y", ["{x}", "$y"]),
        ("train -q # why: it's [slow", ["train", "-q"]),
        ("# all of it", []),
        ("train#1 c#", ["train#1", "c#"]),
        ("'#1' \"# 2\"", ["#1", "# 2"]),
        ("--loss f(a, # b\n c) -q", ["--loss", "f(a, # b\n c)", "-q"]),
        ("--loss=#1 #2", ["--loss=#1"]),
    ],
)
def test_words_are_split_outside_of_quotes_and_brackets(line: str, words: list[str]) -> None:
    """Expressions need no extra quotes as long as their spaces are inside brackets."""
    assert [word.text for word in magic_line.split(line)] == words


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="'\\"), min_size=1), max_size=5))
def test_quoted_words_come_back(words: list[str]) -> None:
    """What is quoted is one word, whatever is in it."""
    line = " ".join(f"'{word}'" for word in words)

    assert [word.text for word in magic_line.split(line)] == words


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "--metrcs cpu",
            "%%e2ebench: there is no option --metrcs (did you mean --metrics?); "
            "allowed are --metrics, --repeat, --warmup, --number, --interval, --entries, --loss, --accuracy, "
            "--target-accuracy, --confusion, --classes, --y-true, --y-pred, --latency, "
            "--latency-duration, --out, --estimate-power, "
            "--lines, --memory-limit, --quiet, --help. See %%e2ebench? for all options",
        ),
        (
            "a b",
            "%%e2ebench: can't place the word 'b'; a text of several words goes in quotes, \"like this\". "
            "See %%e2ebench? for all options",
        ),
        (
            "--repeat many",
            "%%e2ebench: argument -r/--repeat: expected a whole number, got 'many'. "
            "See %%e2ebench? for all options",
        ),
        ("--repeat 0", "repeat: expected a whole number of at least 1, got 0"),
        (
            "--loss 1+",
            "%%e2ebench: argument --loss: '1+' is no Python expression (invalid syntax). "
            "See %%e2ebench? for all options",
        ),
        (
            "--out 3x",
            "%%e2ebench: argument -o/--out: '3x' is no name for a variable. See %%e2ebench? for all options",
        ),
        (
            "-m cpu,memroy",
            "metrics: there is no collector 'memroy' (did you mean memory?); "
            "allowed are cpu, energy, gpu, io, memory",
        ),
        ("'open", "the line ends inside ' : close it, or put the whole word in quotes"),
        ("--loss f(", "the line ends inside ( : close it, or put the whole word in quotes"),
    ],
)
def test_what_is_wrong_is_said_and_the_cell_not_run(shell: Any, line: str, sentence: str) -> None:
    """One or two lines: what was wrong, what is allowed, the nearest valid word."""
    shell.user_ns["ran"] = False
    with pytest.raises(UsageError) as caught:
        shell.run_cell_magic("e2ebench", line, "ran = True")

    assert str(caught.value) == sentence
    assert shell.user_ns["ran"] is False


@pytest.mark.parametrize(
    ("line", "stage", "statement"),
    [
        ("f(x)", "cell", "f(x)"),
        ("-s infer f(x, y=[1, 2])", "infer", "f(x, y=[1, 2])"),
        ("--stage=infer -r 2 a = 'it is' + \"b\"", "infer", "a = 'it is' + \"b\""),
        ("-- -x + 1", "cell", "-x + 1"),
        ("-q x['a b']  # why", "cell", "x['a b']  # why"),
        ("-s 'two words' x", "two words", "x"),
        ("-s infer # no statement", "infer", ""),
        ("# no statement", "cell", ""),
    ],
)
def test_a_statement_is_left_untouched(line: str, stage: str, statement: str) -> None:
    """The options are read; the rest of the line is the user's."""
    options, rest = arguments.split_statement(arguments.line_parser(), line)

    assert (options.stage, rest) == (stage, statement)


@pytest.mark.parametrize(
    ("cell", "stages"),
    [
        ('%%e2ebench train -q # the 2nd try, "as said" --loss nothing\n1', ["train"]),
        ("%e2ebench -s infer -q 1 + 1 # quick", ["infer"]),
        ("%%e2esweep tune x=1,2 -q # y=3\nx", ["tune", "tune"]),
        ("%e2e results # --run none", []),
    ],
)
def test_a_comment_ends_every_line(shell: Any, session: Any, cell: str, stages: list[str]) -> None:
    """A word that begins with # after a space."""
    shell.run_cell(cell).raise_error()

    assert [record.stage for record in session.records] == stages


def test_a_value_that_a_comment_hides_is_missing(shell: Any) -> None:
    """The option before the comment has none."""
    with pytest.raises(UsageError, match=r"argument -s/--stage: expected one argument"):
        shell.run_line_magic("e2ebench", "-s # infer")


def test_braces_and_dollars_are_not_expanded(shell: Any) -> None:
    """IPython's own expansion would change expressions on the line."""
    shell.user_ns["x"] = "expanded"
    shell.run_cell("%%e2ebench '{x} $x' -q -o result\n1")

    assert shell.user_ns["result"].frame["stage"].item() == "{x} $x"


def test_a_line_that_was_read_before_is_a_copy() -> None:
    """Reading is remembered by the line's text; what one cell does to its options is no other's."""
    first = arguments.read_cell_line("train -n len(X)")
    first.stage = "spoilt"

    assert arguments.read_cell_line("train -n len(X)").stage == "train"
    assert arguments.read_cell_line("train -n len(X)").entries is first.entries  # compiled once
