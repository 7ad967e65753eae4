"""What a user is shown: output of repeats, cards, values, help, errors, automatic measuring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.error import UsageError

from e2e_magic.jupyter.subcommands import SUBCOMMANDS
from e2e_magic.views import FRAMES


@pytest.fixture(autouse=True)
def _loaded(kernel: Any) -> Iterator[None]:
    """Load the extension; let every test start a run of its own and leave automatic measuring off."""
    assert kernel.execute("%load_ext e2e_magic\nimport e2e_magic as e2e\ne2e.run('test');").status == "ok"
    yield
    kernel.execute("%e2e auto off")


def value(kernel: Any, expression: str) -> Any:
    """Return what an expression in the kernel is, by way of JSON, without measuring anything."""
    reply = kernel.execute(f"%e2e auto off\nimport json as _j\nprint(_j.dumps({expression}))")
    assert reply.status == "ok", reply.evalue
    return json.loads(reply.stdout.splitlines()[-1])


def stages(kernel: Any) -> list[str]:
    """Return the stages of the current run's rows, in order."""
    return list(
        value(
            kernel,
            "[r.stage for r in __import__('e2e_magic.session').session.current().records "
            "if r.run == __import__('e2e_magic.session').session.current().run.id]",
        )
    )


def cards(reply: Any) -> list[dict[str, Any]]:
    """Return the data of every card that was displayed."""
    return [o["data"] for o in reply.outputs if "e2e-card" in o.get("data", {}).get("text/html", "")]


class TestRepeats:
    def test_the_output_of_the_last_repeat_is_shown(self, kernel: Any) -> None:
        """Prints, errors and displays of warm-ups and of earlier repeats are held back."""
        kernel.execute("count = 0")
        reply = kernel.execute(
            "%%e2ebench repeats -q -r 3 -w 2\nimport sys\ncount += 1\nprint('out', count)\n"
            "print('err', count, file=sys.stderr)\ndisplay(f'shown {count}')\ncount"
        )

        assert reply.status == "ok"
        assert reply.stdout == "out 5\n"
        assert reply.stderr == "err 5\n"
        assert reply.texts() == ["'shown 5'", "5"]
        assert stages(kernel) == ["repeats"] * 3
        assert value(kernel, "list(map(int, e2e.results(run='test')['repeat']))")[-3:] == [1, 2, 3]

    @pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
    def test_a_failing_repeat_shows_its_output(self, kernel: Any, fails_at: int) -> None:
        """What the failing execution printed is what explains the error; none follows after it."""
        kernel.execute("count = 0")
        reply = kernel.execute(
            "%%e2ebench fails -q -r 2 -w 2\ncount += 1\nprint('before', count)\n"
            f"display(count * 10)\nassert count != {fails_at}, 'now'\nprint('after', count)"
        )

        assert (reply.status, reply.ename, reply.evalue) == ("error", "AssertionError", "now")
        assert reply.stdout == f"before {fails_at}\n"
        assert reply.texts() == [str(fails_at * 10)]
        assert value(kernel, "count") == fails_at
        # A warm-up is no row, unless it is the one that fails.
        assert stages(kernel) == ["fails"] * max(fails_at - 2, 1)

    def test_the_card_shows_median_and_spread(self, kernel: Any) -> None:
        """Of several repeats the card says the middle one, how far they lie apart and how many there are."""
        reply = kernel.execute("%%e2ebench middle -r 3\nimport time; time.sleep(0.05)")
        [card] = cards(reply)
        lines = card["text/plain"].splitlines()

        assert lines[0] == "middle"
        [wall] = [line for line in lines if line.startswith("  wall time ")]
        assert wall.split("  (")[0].split()[-1] == "ms"
        assert 49 < float(wall.split("  (")[0].split()[-2]) < 1000
        assert "(± " in wall
        assert wall.endswith(", median of 3)")
        assert ", median of 3" in card["text/html"]

    def test_a_wide_spread_is_said_with_what_to_do(self, kernel: Any) -> None:
        """Over 10 % of the median the card warns and names a remedy; an even cell is not blamed."""
        kernel.execute("import time\nlengths = iter([0.02, 0.08, 0.14, 0.2] + [0.1] * 4)")
        wide = kernel.execute("%%e2ebench wide -r 4 -i 1\ntime.sleep(next(lengths))")
        even = kernel.execute("%%e2ebench even -r 4 -i 1\ntime.sleep(next(lengths))")
        [said] = [line for line in cards(wide)[0]["text/plain"].splitlines() if "spread" in line]

        assert "% of the median" in said
        assert "--repeat" in said
        assert "spread" in cards(wide)[0]["text/html"]
        assert "spread" not in cards(even)[0]["text/plain"]

    def test_one_card_for_all_repeats(self, kernel: Any) -> None:
        """Repeats share a card, which comes after the output and the value."""
        reply = kernel.execute("%%e2ebench cards -r 3 -w 1\nprint('text')\n'value'")

        kinds = [o["output_type"] for o in reply.outputs]
        assert kinds == ["stream", "execute_result", "display_data"]
        assert len(cards(reply)) == 1


class TestCards:
    def test_a_card_takes_away_no_output(self, kernel: Any) -> None:
        """What `clear_output(wait=True)` would let it clear is output once more; what is gone stays so."""
        kernel.execute("from IPython.display import clear_output, display")
        twice = kernel.execute(
            "%%e2ebench loop\nfor step in range(2):\n    print('step', step)\n"
            "    display(f'picture {step}')\n    clear_output(wait=True)"
        )
        replaced = kernel.execute("%%e2ebench print\ndisplay('gone')\nclear_output(wait=True)\nprint('x')")
        valued = kernel.execute("%%e2ebench value\ndisplay('gone')\nclear_output(wait=True)\n'the value'")

        assert [text for text in twice.texts() if "loop" not in text] == [
            *("'picture 0'", "'picture 1'"),
            "'picture 1'",
        ]
        assert twice.stdout == "step 0\nstep 1\nstep 1\n"
        assert [o["output_type"] for o in replaced.outputs] == ["display_data", "stream", "display_data"]
        assert [o["output_type"] for o in valued.outputs] == [
            "display_data",
            "execute_result",
            "display_data",
        ]
        assert all("wall time" in reply.texts()[-1] for reply in (twice, replaced, valued))

    def test_a_card_shows_what_was_asked(self, kernel: Any) -> None:
        """Stage, wall time, CPU time and peak memory stand on it; HTML and plain text say the same."""
        [card] = cards(kernel.execute("%%e2ebench <b>bold&\nx = 1"))

        assert card["text/plain"].splitlines()[0] == "<b>bold&"
        for label in ("wall time", "CPU time", "peak memory"):
            assert label in card["text/plain"]
            assert label in card["text/html"]
        assert "&lt;b&gt;bold&amp;" in card["text/html"]
        assert "<b>bold" not in card["text/html"]

    def test_a_failed_cell_has_a_card(self, kernel: Any) -> None:
        """State and error stand on it, and the error itself follows as ever."""
        reply = kernel.execute("%%e2ebench breaks\n{}['<key>']")

        assert cards(reply)[0]["text/plain"].splitlines()[:2] == ["breaks · failed", "  KeyError: '<key>'"]
        assert "KeyError: &#x27;&lt;key&gt;&#x27;" in cards(reply)[0]["text/html"]
        assert reply.ename == "KeyError"

    @pytest.mark.parametrize("option", ["-q", "--quiet"])
    def test_quiet_shows_no_card(self, kernel: Any, option: str) -> None:
        """Nothing is shown but what the cell shows; the row is there."""
        reply = kernel.execute(f"%%e2ebench silent {option}\nprint(1)\n2")

        assert cards(reply) == []
        assert [o["output_type"] for o in reply.outputs] == ["stream", "execute_result"]
        assert stages(kernel) == ["silent"]

    def test_the_result_of_a_quiet_cell_is_whole(self, kernel: Any) -> None:
        """It is in its variable, and shows its card when it is asked; a statement says so in one line."""
        kernel.execute("%%e2ebench silent -q -o kept\n2")
        shown = kernel.execute("kept").outputs[0]["data"]
        line = kernel.execute("%e2ebench -q -s silent 1 + 1").outputs[0]["data"]

        assert 'class="e2e-card"' in shown["text/html"]
        assert "  wall time" in shown["text/plain"]
        assert "text/html" not in line
        assert line["text/plain"].startswith("silent: wall time ")

    def test_a_semicolon_silences_the_value_only(self, kernel: Any) -> None:
        """The value is not shown and not kept; the card is no value and stays."""
        reply = kernel.execute("%%e2ebench semicolon\n'kept' + ' back';  # and a comment")

        assert [o["output_type"] for o in reply.outputs] == ["display_data"]
        assert len(cards(reply)) == 1

    def test_a_cell_that_runs_long_has_a_live_card_that_is_replaced(self, kernel: Any) -> None:
        """From 2 s on one display shows that it runs, and is emptied; the final card comes last."""
        reply = kernel.execute("%%e2ebench long -m cpu,memory -i 0.5\nimport time; time.sleep(2.4)\n'ends'")
        shown = [o for o in reply.outputs if "data" in o]

        assert shown[0]["output_type"] == "display_data"
        assert "e2e-live" in shown[0]["data"]["text/html"]
        assert shown[0]["data"]["text/plain"] == "long: running"
        *live, drawing, value, emptied, card = shown
        assert {o["output_type"] for o in (*live[1:], drawing, emptied)} == {"update_display_data"}
        assert len({o["transient"]["display_id"] for o in (*live, drawing, emptied)}) == 1
        assert "long</span> · drawing" in drawing["data"]["text/html"]
        assert drawing["data"]["text/html"].count("<img") >= live[-1]["data"]["text/html"].count("<img")
        assert value["data"]["text/plain"] == "'ends'"
        assert emptied["data"]["text/html"] == ""
        assert len(cards(reply)) == 1
        assert card["output_type"] == "display_data"
        assert "e2e-card" in card["data"]["text/html"]
        assert len(shown) <= 7


class TestResults:
    def test_out_names_a_variable(self, kernel: Any) -> None:
        """`-o` holds the result; the value of the cell stays its own."""
        reply = kernel.execute("%%e2ebench train -q -o bench -r 2\n7")

        assert reply.texts() == ["7"]
        assert value(kernel, "[type(bench).__name__, len(bench.frame), list(bench.frame['stage'])]") == [
            "Result",
            2,
            ["train", "train"],
        ]
        assert value(kernel, "sorted(set(bench.samples['metric']))[:1]") != []
        assert value(kernel, "repr(bench).startswith('train')") is True

    def test_out_is_there_after_an_error(self, kernel: Any) -> None:
        """What was measured until the error can be looked at."""
        kernel.execute("bench = None")
        reply = kernel.execute("%%e2ebench train -q -o bench\n1 / 0")

        assert reply.ename == "ZeroDivisionError"
        assert value(kernel, "[bench.frame['state'].item(), bench.frame['error'].item()]") == [
            "failed",
            "ZeroDivisionError: division by zero",
        ]

    def test_a_line_has_the_result_as_its_value(self, kernel: Any) -> None:
        """`r = %e2ebench STATEMENT` gives the result and shows no second card."""
        reply = kernel.execute("r = %e2ebench -s sums sum(range(1000))")

        assert [o for o in reply.outputs if "data" in o] == []
        assert value(kernel, "[r.frame['stage'].item(), r.frame['state'].item()]") == ["sums", "complete"]

    def test_a_line_alone_shows_its_card_as_its_value(self, kernel: Any) -> None:
        """One card, as `Out`."""
        reply = kernel.execute("%e2ebench -s sums x = sum(range(1000))")

        assert [o["output_type"] for o in reply.outputs] == ["execute_result"]
        assert len(cards(reply)) == 1
        assert value(kernel, "[x, type(_).__name__]")[0] == 499500

    def test_a_line_in_a_function_sees_its_variables(self, kernel: Any) -> None:
        """As `%timeit` does, its expressions too; what it assigns stays where it is."""
        kernel.execute(
            "z = 'outer'\ndef f(z):\n    r = %e2ebench -q -s inside -n z seen = [n * z for n in range(z)]\n"
            "    return int(r.frame['entries'].item())"
        )
        found = value(kernel, "[f(3), z, 'seen' in globals()]")

        assert found == [3, "outer", False]

    def test_a_line_with_a_semicolon_has_no_value(self, kernel: Any) -> None:
        """As with `%time`: the value is silenced and the report stays, here the card."""
        reply = kernel.execute("%e2ebench -s sums sum(range(1000));")

        assert [o["output_type"] for o in reply.outputs] == ["display_data"]
        assert len(cards(reply)) == 1
        assert kernel.execute("%e2ebench -s sums -q sum(range(1000));").outputs == []
        assert stages(kernel) == ["sums", "sums"]

    def test_braces_and_dollars_on_the_line_are_kept(self, kernel: Any) -> None:
        """IPython's expansion is off: both are Python, or part of a name."""
        kernel.execute("sums = 3")
        kernel.execute("%%e2ebench {sums}-$sums -q --entries len({1: 2, 3: 4})\npass")

        assert stages(kernel) == ["{sums}-$sums"]
        assert value(kernel, "float(e2e.results(run='test')['entries'].iloc[-1])") == 2.0


class TestStacked:
    @pytest.mark.parametrize("above", ["%%time", "%%capture seen", "%%prun -q", "%%timeit -n1 -r1"])
    def test_below_another_magic(self, kernel: Any, above: str) -> None:
        """A magic above runs the measured cell as any other code."""
        reply = kernel.execute(f"{above}\n%%e2ebench under -q\nfound = 5\nprint('said')")

        assert reply.status == "ok"
        assert stages(kernel) == ["under"]
        assert ("said" in reply.stdout) is (above != "%%capture seen")
        if above == "%%capture seen":
            assert value(kernel, "seen.stdout") == "said\n"

    def test_the_card_below_capture_is_captured(self, kernel: Any) -> None:
        """What `%%capture` catches is what the cell shows: the card, then the value."""
        reply = kernel.execute("%%capture seen\n%%e2ebench under\n'value'")

        assert reply.outputs == []
        assert value(kernel, "['e2e-card' in o.data.get('text/html', '') for o in seen.outputs]") == [
            True,
            False,
        ]

    @pytest.mark.parametrize("below", ["%%time", "%%capture seen"])
    def test_above_another_magic(self, kernel: Any, below: str) -> None:
        """The magic below is part of what is measured."""
        reply = kernel.execute(f"%%e2ebench over -q\n{below}\nfound = 6\nprint('said')")

        assert reply.status == "ok"
        assert stages(kernel) == ["over"]
        assert value(kernel, "found") == 6
        if below == "%%time":
            assert "said" in reply.stdout
            assert "Wall time" in reply.stdout
        else:
            assert reply.outputs == []

    @pytest.mark.parametrize("above", ["%%time", "%%prun -q", "%%capture seen"])
    def test_awaiting_below_a_magic_that_cannot_wait(self, kernel: Any, above: str) -> None:
        """It is said in one line which way round works, and that way does."""
        kernel.execute("ran = False")
        awaits = "import asyncio\nawait asyncio.sleep(0.01)\nran = True\n'awaited'"
        reply = kernel.execute(f"{above}\n%%e2ebench waits -q\n{awaits}")
        ran = value(kernel, "ran")
        turned = kernel.execute(f"%%e2ebench waits -q\n{awaits}")
        sentence = (
            "%%e2ebench: the code awaits at its top level, but the magic or call around it runs it without "
            "waiting. Put %%e2ebench on the first line of the cell and the other magic below it"
        )

        if above == "%%capture seen":  # it catches errors too, of any cell
            assert value(kernel, "seen.stderr") == f"UsageError: {sentence}\n"
        elif kernel.execute(f"{above}\n1 / 0").status == "ok":  # so does %%time of IPython 7
            assert sentence in reply.stdout + reply.stderr
        else:
            assert (reply.status, reply.ename, reply.evalue) == ("error", "UsageError", sentence)
        assert ran is False
        assert turned.texts() == ["'awaited'"]
        assert stages(kernel) == ["waits"]

    def test_an_error_below_another_magic(self, kernel: Any) -> None:
        """The row says failed, and the error is the cell's."""
        plain = kernel.execute("%%time\n1 / 0")  # IPython 7 shows the error and goes on
        reply = kernel.execute("%%time\n%%e2ebench under -q\n1 / 0")

        assert reply.ename == plain.ename
        assert value(kernel, "e2e.results(run='test')['state'].iloc[-1]") == "failed"


class TestHelp:
    def test_question_mark_shows_every_option(self, kernel: Any) -> None:
        """`%%e2ebench?` is the reference: each option with its meaning."""
        kernel.client.execute("%%e2ebench?")
        reply = kernel.client.get_shell_msg(timeout=20)
        text = reply["content"]["payload"][0]["data"]["text/plain"]

        for word in (
            "--metrics LIST", "--repeat N", "--warmup N", "--interval SECONDS", "--entries EXPR",
            "--loss EXPR", "--accuracy EXPR", "--target-accuracy A", "--confusion EXPR", "--classes EXPR",
            "--y-true EXPR", "--y-pred EXPR", "--latency EXPR", "--latency-duration SECONDS", "--out NAME",
            "--estimate-power IDLE_W,FULL_W|auto", "--quiet",
        ):  # fmt: skip
            assert word in text
        assert "%e2ebench [-s STAGE] [options] STATEMENT" in text

    @pytest.mark.parametrize("line", ["%%e2ebench --help\nran = True", "%e2ebench -h ran = True"])
    def test_help_runs_nothing(self, kernel: Any, line: str) -> None:
        """Help is shown in place of the measurement."""
        kernel.execute("ran = False")
        reply = kernel.execute(line)

        assert reply.status == "ok"
        assert reply.texts()[0].startswith("usage: %")
        assert value(kernel, "ran") is False
        assert stages(kernel) == []


ALLOWED = (
    "--metrics, --repeat, --warmup, --number, --interval, --entries, --loss, --accuracy, --target-accuracy, "
    "--confusion, --classes, --y-true, --y-pred, --latency, --latency-duration, --out, --estimate-power, "
    "--lines, --memory-limit, --quiet, --help"
)
SEE = ". See %%e2ebench? for all options"
WRONG = {
    "--repeats 3": "%%e2ebench: there is no option --repeats (did you mean --repeat?); "
    f"allowed are {ALLOWED}{SEE}",
    "-r many": f"%%e2ebench: argument -r/--repeat: expected a whole number, got 'many'{SEE}",
    "-r 0": "repeat: expected a whole number of at least 1, got 0",
    "-r": f"%%e2ebench: argument -r/--repeat: expected one argument{SEE}",
    "-w -1": "warmup: expected a whole number of at least 0, got -1",
    "-i 0": "interval: expected seconds, at least 0.001, got 0.0",
    "-i nan": "interval: expected seconds, at least 0.001, got nan",
    "-i soon": f"%%e2ebench: argument -i/--interval: expected a number, got 'soon'{SEE}",
    "-m cpu,memroy": "metrics: there is no collector 'memroy' (did you mean memory?); allowed are "
    "cpu, energy, gpu, io, memory",
    "two words": f"%%e2ebench: can't place the word 'words'; a text of several words goes in quotes, "
    f'"like this"{SEE}',
    "'unclosed": "the line ends inside ' : close it, or put the whole word in quotes",
    "-n len((1,2)": "the line ends inside ( : close it, or put the whole word in quotes",
    "--loss 1+": f"%%e2ebench: argument --loss: '1+' is no Python expression (invalid syntax){SEE}",
    "-o 2fast": f"%%e2ebench: argument -o/--out: '2fast' is no name for a variable{SEE}",
    "-o class": f"%%e2ebench: argument -o/--out: 'class' is no name for a variable{SEE}",
    "--target-accuracy 0": "target_accuracy: expected a number above 0 and up to 1 "
    "(up to 100 for percent), got 0.0",
    "--estimate-power 60": "estimate_power: expected two numbers of watts IDLE_W,FULL_W with "
    "0 <= idle <= full, such as 12,65, or auto, got '60'",
    "''": "stage: expected a label such as prepare, train, validate or infer, got ''",
}


class TestErrors:
    @pytest.mark.parametrize(
        ("cell", "sentence"),
        [
            (
                "%e2ebench --lines f f(10**6)",
                "%e2ebench: the code can't be compiled: invalid syntax; functions are named as --lines=f\n"
                "    f f(10**6)\n      ^",
            ),
            ("%e2ebench 1 +", "%e2ebench: the code can't be compiled: invalid syntax\n    1 +\n       ^"),
        ],
    )
    def test_code_that_is_no_python_is_shown_with_its_place(
        self, kernel: Any, cell: str, sentence: str
    ) -> None:
        """Where the magic compiles the code there is no traceback through it."""
        reply = kernel.execute(cell)

        assert (reply.status, reply.ename, reply.evalue) == ("error", "UsageError", sentence)
        assert stages(kernel) == []

    @pytest.mark.parametrize("line", WRONG)
    def test_a_wrong_line_is_one_sentence_and_runs_nothing(self, kernel: Any, line: str) -> None:
        """What was wrong, what is allowed, the nearest word; the cell is not run and leaves no row."""
        kernel.execute("ran = False")
        reply = kernel.execute(f"%%e2ebench {line}\nran = True")

        assert (reply.status, reply.ename) == ("error", "UsageError")
        assert reply.evalue == WRONG[line]
        assert reply.stderr == f"UsageError: {WRONG[line]}\n"
        assert reply.texts() == []
        assert value(kernel, "ran") is False
        assert stages(kernel) == []

    def test_a_line_without_a_statement(self, kernel: Any) -> None:
        """`%e2ebench` alone says what belongs behind it."""
        reply = kernel.execute("%e2ebench -s infer")

        assert reply.evalue == (
            "%e2ebench: there is no statement to measure, such as %e2ebench -s infer model.predict(X). "
            "See %e2ebench? for all options"
        )

    def test_an_expression_that_fails_costs_its_own_number(self, kernel: Any) -> None:
        """It is evaluated after the cell, so the cell has run: a line says what went wrong."""
        reply = kernel.execute("%%e2ebench gains -q --loss undefined[0] --entries 10\n'value'")

        assert (reply.status, reply.texts()) == ("ok", ["'value'"])
        assert reply.stderr == (
            "e2e_magic: gains: loss: could not be evaluated (NameError: name 'undefined' is not defined)\n"
        )
        assert value(kernel, "float(e2e.results(run='test')['entries'].iloc[-1])") == 10.0

    def test_each_subcommand_explains_itself(self, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
        """``--help`` after a word shows its usage and does nothing."""
        for word in SUBCOMMANDS:
            assert shell.run_line_magic("e2e", f"{word} --help") is None
            assert f"usage: %e2e {word}" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            (
                "resluts",
                "%e2e: there is no subcommand 'resluts' (did you mean results?); "
                f"allowed are {', '.join(SUBCOMMANDS)}",
            ),
            (
                "auto maybe",
                "%e2e auto: expected on or off, got 'maybe'. See %e2e auto --help for all options",
            ),
            (
                "results --stage nowhere",
                "stage: there is no stage 'nowhere'; measured are prepare",
            ),
            (
                "results --run tset",
                "run: there is no run 'tset' (did you mean test?); this kernel has test",
            ),
            (
                "export rows.cvs",
                "path: a frame can be written as .csv, .json, .parquet, .xlsx, .md, .tex, by the suffix; "
                "'rows.cvs' has '.cvs' (did you mean .csv?)",
            ),
            (
                "export rows.csv --frame result",
                f"frame: there is no frame 'result' (did you mean results?); allowed are {', '.join(FRAMES)}",
            ),
        ],
    )
    def test_a_wrong_subcommand_is_one_sentence(self, shell: Any, line: str, sentence: str) -> None:
        """Each names what came, what is allowed and the nearest word."""
        shell.run_line_magic("e2e", "run test")
        shell.run_cell_magic("e2ebench", "prepare -q", "1")
        with pytest.raises(UsageError) as caught:
            shell.run_line_magic("e2e", line)

        assert str(caught.value) == sentence


class TestSubcommands:
    def test_alone_it_lists_every_word(self, kernel: Any) -> None:
        """`%e2e` shows one line for each subcommand."""
        [text] = kernel.execute("%e2e").texts()
        lines = text.splitlines()

        for word in ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics", "pipeline"):
            assert sum(line.startswith(f"  %e2e {word} ") for line in lines) == 1
        for usage in ("run NAME [--description TEXT]", "export PATH [--frame NAME]", "auto on|off"):
            assert sum(line.startswith(f"  %e2e {usage} ") for line in lines) == 1

    @pytest.mark.parametrize("word", ["help", "--help", "-h"])
    def test_asked_for_help_it_lists_them_too(self, kernel: Any, word: str) -> None:
        """As `%e2e` alone."""
        assert kernel.execute(f"%e2e {word}").texts() == kernel.execute("%e2e").texts()

    def test_frames_are_returned(self, kernel: Any) -> None:
        """Each is a DataFrame, the value of its line, and can be assigned."""
        kernel.execute("%%e2ebench prepare -q -i 0.01\nimport time; time.sleep(0.05)\n{'loss': [2.0, 1.0]}")
        for name in ("results", "samples", "epochs", "trials", "confusions", "runs", "metrics"):
            assert kernel.execute(f"frame = %e2e {name}").status == "ok"
            assert value(kernel, "isinstance(frame, __import__('pandas').DataFrame)") is True
            assert (
                value(kernel, "set(frame.attrs.get('units', {})) <= {*frame, *frame.get('metric', ())}")
                is True
            )
            if name in ("results", "samples", "epochs"):
                assert value(kernel, "frame.attrs['units']") != {}, name
        reply = kernel.execute("%e2e samples --stage prepare --run test")

        assert reply.outputs[-1]["output_type"] == "execute_result"
        assert "text/html" in reply.outputs[-1]["data"]

    def test_a_run_has_its_own_rows(self, kernel: Any) -> None:
        """`%e2e run NAME` starts the next one; trials are counted anew and frames can be narrowed to it."""
        kernel.execute("%%e2ebench fit -q\n1")
        reply = kernel.execute("%e2e run 'light gbm' --description 'a second tool'")
        kernel.execute("%%e2ebench fit -q\n1")

        assert reply.texts()[0].startswith("run light gbm started (")
        frame = "e2e.results(run='light gbm')"
        assert value(kernel, f"[list({frame}['run']), list(map(int, {frame}['trial']))]") == [
            ["light gbm"],
            [1],
        ]
        assert value(kernel, "e2e.runs()['description'].iloc[-1]") == "a second tool"


class TestAuto:
    def test_every_cell_is_measured_until_off(self, kernel: Any) -> None:
        """Cells run as ever and become rows, errors too; an annotated cell has one row only."""
        said = kernel.execute("%e2e auto on")
        plain = kernel.execute("import time\ntime.sleep(0.05)\n'plain'")
        failed = kernel.execute("1 / 0")
        annotated = kernel.execute("%%e2ebench mine -q\n'mine'")
        inside = kernel.execute("x = 1\nr = %e2ebench -s line -q x + 1")
        kernel.execute("%e2e results")
        awaited = kernel.execute("import asyncio\nawait asyncio.sleep(0.01)\n'awaited'")
        kernel.execute("# a comment only")
        off = kernel.execute("%e2e auto off")
        kernel.execute("'unmeasured'")
        frame = "e2e.results(run=e2e.runs()['run'].iloc[-1])"
        found = stages(kernel)
        names = ["import time", "1 / 0", "import asyncio"]

        assert said.texts() == [
            "every cell is measured from the next one on, named by its heading or first line; "
            "see %e2e pipeline"
        ]
        assert off.texts() == ["cells are measured only where a line says so"]
        assert plain.texts() == ["'plain'"]
        assert failed.ename == "ZeroDivisionError"
        assert annotated.texts() == ["'mine'"]
        assert inside.status == "ok"
        assert awaited.texts() == ["'awaited'"]
        assert found[:2] == names[:2]
        assert found[2:] == ["mine", "line", "import asyncio", "a comment only"]
        assert value(kernel, f"dict(zip({frame}['stage'], {frame}['state']))")[names[1]] == "failed"

    def test_the_pipeline_ranks_the_cells(self, kernel: Any) -> None:
        """The slowest cell is named, and what the whole would gain were it twice as fast."""
        kernel.execute("%e2e auto on")
        kernel.execute("import time; time.sleep(0.02)")
        kernel.execute("# Slow\ntime.sleep(0.4)")
        kernel.execute("%e2e auto off")
        reply = kernel.execute("pipe = %e2e pipeline")
        text = reply.texts()[0]

        assert text.startswith("Slow ")
        assert "Twice as fast, it would make the whole " in text
        assert value(kernel, "sorted(pipe['stage'])") == ["Slow", "import time; time.sleep(0.02)"]
        assert value(kernel, "float(pipe.set_index('stage')['wall_time_s']['Slow'])") > 0.39

    def test_an_error_in_a_cell_is_seen_as_ever(self, kernel: Any) -> None:
        """Outputs, tracebacks and values of automatically measured cells are IPython's own."""
        cells = ("print(1)\n2", "undefined_name", "def f(:", "raise SystemExit(3)", "%%bash\nexit 3")
        plain = [kernel.execute(cell) for cell in cells]
        kernel.execute("%e2e auto on")
        measured = [kernel.execute(cell) for cell in cells]

        for without, within in zip(plain, measured, strict=True):
            assert (without.status, without.ename, without.evalue) == (
                within.status,
                within.ename,
                within.evalue,
            )
            assert without.stdout == within.stdout
            assert without.texts() == within.texts()
            assert "e2e_magic" not in "".join(within.traceback or [])
        states = value(
            kernel, "[r.state for r in __import__('e2e_magic.session').session.current().records[-4:]]"
        )
        assert states == ["complete", "failed", "failed", "failed"]  # what can't be compiled doesn't run

    def test_silent_requests_are_not_measured(self, kernel: Any) -> None:
        """What a front end runs in the background is no cell of the user's."""
        kernel.execute("%e2e auto on")
        kernel.client.execute("1 + 1", silent=True)
        kernel.client.get_shell_msg(timeout=20)
        kernel.client.execute("1 + 1", store_history=False)
        kernel.client.get_shell_msg(timeout=20)

        assert stages(kernel) == []
