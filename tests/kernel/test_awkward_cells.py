"""Awkward cells, run in a real kernel with and without the magic: nothing else may differ."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

# name, cells (the last one is measured). Earlier ones prepare.
CELLS: dict[str, list[str]] = {
    "last value": ["6 * 7"],
    "silenced by a semicolon": ["6 * 7;"],
    "semicolon and a comment": ["6 * 7;  # not shown"],
    "statement last": ["a = 1\nb = a + 1"],
    "several expressions": ["1\n2\n'three'"],
    "comment only": ["# nothing but a comment"],
    "blank lines": ["\n\n   \nx = 5\n\n"],
    "triple-quoted string": ['text = """first\n  second\n\tthird"""\ntext'],
    "triple-quoted string with percent lines": ['text = """\n%time\n!ls\n"""\ntext'],
    "prints then value": ["print('one')\nprint('two')\n3"],
    "standard error": ["import sys\nprint('oops', file=sys.stderr)"],
    "function with a docstring": ['def f(x):\n    """Double."""\n    return 2 * x\nf(21)'],
    "class and decorator": [
        "import functools\nclass A:\n    @functools.cached_property\n    def b(self):\n        return 1\nA().b"
    ],
    "uses and changes earlier variables": ["n = 1", "n += 1\nn"],
    "underscore": ["40 + 2", "_ + 1"],
    "Out": ["'kept'", "Out[max(Out)]"],
    "line magic inside": ["%env E2E_TEST_VARIABLE=7\nimport os\nos.environ['E2E_TEST_VARIABLE']"],
    "shell line": ["!echo from the shell"],
    "shell line into a variable": ["lines = !printf 'a\\nb\\n'\nlist(lines)"],
    "help": ["len?"],
    "nested cell magic": ["%%capture held\nprint('held back')"],
    "zero division": ["def f():\n    return 1 / 0\n\nf()"],
    "error after output": ["print('before')\nraise ValueError('told you')\n"],
    "error in the last expression": ["x = {}\nx['no such key']"],
    "chained error": ["try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('b') from e"],
    "syntax error": ["x = = 2"],
    "indentation error": ["if True:\nx = 1"],
    "unclosed bracket": ["print('never'\n"],
    "return outside a function": ["x = 1\nreturn x"],
    "break outside a loop": ["break"],
    "await in a plain function": ["def f():\n    await g()"],
    "global after use": ["def f():\n    x = 1\n    global x"],
    "future import after code": ["x = 1\nfrom __future__ import annotations"],
    "yield at the top": ["yield 1"],
    "starred alone": ["a = [1]\n*a"],
    "unknown magic": ["%no_such_magic at all"],
    "unknown cell magic": ["%%no_such_magic\nx = 1"],
    "backslash": ["x = 1 + \\\n    2\nx"],
    "assigned by the walrus": ["(n := 5)"],
    "None last": ["print('p')\nNone"],
    "help of two": ["len??"],
    "bang in a loop": ["for n in range(2):\n    !echo $n {n + 1}"],
    "generator that is not run": ["(n for n in range(2)).send"],
    "deleted name": ["y = 5", "del y\ny"],
    "form feed and tabs": ["if True:\n\tx = 1\n\tprint(x)"],
    "input": ["input('name? ')"],
    "in a thread": [
        "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start()\nt.join()\ndel t"
    ],
    "annotated assignment": ["number: int = 3\nnumber"],
    "print without an end": ["print('no newline', end='')\n4"],
    "clear output": [
        "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('kept')"
    ],
    "a long value": ["list(range(3000))"],
    "many exceptions deep": ["def f(n):\n    return f(n - 1) if n else [][0]\nf(5)"],
    "value that cannot be shown": [
        "class B:\n    def __repr__(self):\n        raise ValueError('no repr')\nB()"
    ],
    "exception that cannot be shown": [
        "class E(Exception):\n    def __str__(self):\n        raise ValueError('no str')\nraise E"
    ],
    "stop iteration": ["next(iter([]))"],
    "async with": ["import asyncio\nasync with asyncio.timeout(9):\n    print('in time')"],
    "gather": ["import asyncio\nawait asyncio.gather(*(asyncio.sleep(0, n) for n in range(3)))"],
    "sys.exit": ["import sys\nsys.exit(3)"],
    "raise SystemExit": ["raise SystemExit('bye')"],
    "keyboard interrupt": ["raise KeyboardInterrupt"],
    "assertion": ["assert 1 == 2, 'arithmetic'"],
    "exception group": ["raise ExceptionGroup('several', [ValueError(1), TypeError(2)])"],
    "await": ["import asyncio\nawait asyncio.sleep(0.01)\n'awaited'"],
    "await last": ["import asyncio\nasync def f():\n    return 5\nawait f()"],
    "async for": [
        "async def numbers():\n    for n in range(3):\n        yield n\nasync for n in numbers():\n    print(n)"
    ],
    "error after await": ["import asyncio\nawait asyncio.sleep(0)\n1 / 0"],
    "display": ["from IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\nprint('after')"],
    "display and update": [
        "from IPython.display import display\nh = display('one', display_id=True)\nh.update('two')"
    ],
    "rich value": [
        "class R:\n    def _repr_html_(self):\n        return '<i>r</i>'\n    def __repr__(self):\n"
        "        return 'R()'\nR()"
    ],
    "star import and global": ["from math import *\nglobal_value = floor(2.5)\nglobal_value"],
    "future import": ["from __future__ import annotations\ndef f(x: Undefined): ...\nf.__annotations__['x']"],
    "del a variable": ["gone = 1", "del gone\n'gone' in globals()"],
    "walrus and comprehension": ["[y := 3, [x for x in range(y)]]\ny"],
    "generator is not consumed": ["g = (n for n in range(3))\nnext(g)"],
    "lambda and closure": ["k = 3\nf = lambda n: n * k\nf(4)"],
    "name main": ["__name__"],
    "unicode": ["größe = 'μ🙂'\nprint(größe)\ngröße"],
    "windows line ends": ["a = 1\r\nb = 2\r\na + b"],
    "recursion error": [
        "def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RecursionError:\n    print('deep')"
    ],
    "subprocess": ["import subprocess\nsubprocess.run(['true']).returncode"],
    "os.wait ends": [
        "import os\nif os.fork() == 0:\n    os._exit(0)\nn = 0\n"
        "try:\n    while True:\n        os.wait()\n        n += 1\nexcept ChildProcessError:\n    pass\nn >= 1"
    ],
    "threads": [
        "import threading\nfound = []\nts = [threading.Thread(target=found.append, args=(n,), name=str(n)) for n in range(64)]\n"
        "[t.start() for t in ts]\n[t.join() for t in ts]\ndel ts\nlen(found)"
    ],
    "chdir": [
        "import os, tempfile\nos.chdir(tempfile.gettempdir())\nos.getcwd() == os.path.realpath(tempfile.gettempdir())"
    ],
    "warning": ["import warnings\nwarnings.warn('careful')"],
    "input hook attribute": ["get_ipython().user_ns is globals()"],
}

# What can differ without harm: addresses, the cell's number, times.
_NOISE = [
    (re.compile(r"0x[0-9a-f]+"), "0x"),
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"ipykernel_\d+/\d+\.py"), "ipykernel/cell.py"),
    (re.compile(r"(In|Cell In) ?\[\d+\]"), "In[]"),
    (re.compile(r"\b\d+\.py\b"), "cell.py"),
    (re.compile(r"display_id=[0-9a-f]+"), "display_id="),
    (re.compile(r"get_ipython\(\)\.run_line_magic\('e2e', 'stage [^\n]*'\)"), "# a first line"),
]
_STATE = (
    "import json as _j, types as _t; print(_j.dumps({k: repr(v)[:200] for k, v in sorted(globals().items()) "
    "if not k.startswith('_') and k not in ('In', 'Out', 'exit', 'quit', 'get_ipython', 'open') "
    "and not isinstance(v, _t.ModuleType)}))"
)


def _clean(text: str) -> str:
    for pattern, plain in _NOISE:
        text = pattern.sub(plain, text)
    return text


# All but Python's own of a shell line, from 3.12 on: IPython 8.30 loses some of the line's output with it.
WARNINGS = """import warnings
warnings.simplefilter('always')
warnings.filterwarnings('ignore', '.*is multi-threaded, use of fork')"""


def _seen(kernel: Any, cells: list[str], *, magic: str | None) -> dict[str, Any]:
    """Run the cells, the last one under the magic, and return all that a user can see."""
    kernel.execute(f"%reset -f\n{WARNINGS}")
    if magic is not None:
        kernel.execute("%load_ext e2e_magic")
    for cell in cells[:-1]:
        kernel.execute(cell)
    # Our line counts: with it the cell is a line longer. A cell magic must be the first line.
    first = magic or ("" if cells[-1].startswith("%%") else "# a first line")
    reply = kernel.execute(f"{first}\n{cells[-1]}")
    out = kernel.execute("'value' if Out and max(Out) == len(In) - 2 else 'no value'")
    state = kernel.execute(_STATE)
    outputs = []
    for output in reply.outputs:
        data = output.get("data")
        if data is not None:
            outputs.append({k: _clean(str(v)) for k, v in data.items()})
        elif output["output_type"] == "stream":
            outputs.append({output["name"]: _clean(output["text"])})
    return {
        "status": reply.status,
        "ename": reply.ename,
        "evalue": _clean(reply.evalue or ""),
        "traceback": [_clean(line) for line in reply.traceback or []],
        "outputs": outputs,
        "has_out": out.outputs[-1]["data"]["text/plain"] if out.outputs else None,
        "variables": {k: _clean(v) for k, v in json.loads(state.stdout.splitlines()[-1]).items()},
    }


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect(kernel: Any) -> None:
    """`%reset` looks for garbage: what is there for good is left out, for a tenth of the time."""
    kernel.execute("%load_ext e2e_magic\nimport gc\ngc.collect()\ngc.freeze()")


@pytest.mark.parametrize("name", CELLS)
def test_a_measured_cell_is_seen_as_without_the_magic(kernel: Any, name: str) -> None:
    """The same outputs, variables, Out, error, traceback and reply status."""
    cells = CELLS[name]
    plain = _seen(kernel, cells, magic=None)
    kernel.execute("%cd -q ~")
    measured = _seen(kernel, cells, magic="%%e2ebench some-stage --quiet")
    kernel.execute("%cd -q ~")

    assert measured == plain


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("last value", "complete"),
        ("zero division", "failed"),
        ("sys.exit", "failed"),
        ("keyboard interrupt", "interrupted"),
        ("error after await", "failed"),
        ("await", "complete"),
        ("comment only", "complete"),
    ],
)
def test_each_measured_cell_leaves_a_row(kernel: Any, name: str, state: str) -> None:
    """Whatever ends the cell, a row says its state and what was measured."""
    kernel.execute("%load_ext e2e_magic")
    kernel.execute(f"%%e2ebench row-test -q\n{CELLS[name][-1]}")
    row = kernel.execute(
        "import e2e_magic as _e\n_r = _e.results(stage='row-test').iloc[-1]\n"
        "print(_r['state'], _r['wall_time_s'] > 0, _r['peak_rss_mib'] > 1)"
    )

    assert row.stdout.split() == [state, "True", "True"]


def test_an_empty_cell_is_measured(kernel: Any) -> None:
    """IPython refuses an empty cell magic; a measured cell that is still empty is no error."""
    kernel.execute("%load_ext e2e_magic")
    reply = kernel.execute("%%e2ebench empty -q\n")

    assert reply.status == "ok"
    assert reply.outputs == []


SLOW_SHELL = """
import time
shell, slowed = get_ipython(), set()
run_nodes, transform = shell.run_ast_nodes, shell.transform_ast

class Slow(type(shell.compile)):
    def __call__(self, *given, **named):
        slowed.add("compile")
        time.sleep(0.5)
        return super().__call__(*given, **named)

async def slow_run(*given, **named):
    slowed.add("run")
    time.sleep(0.5)
    failed = await run_nodes(*given, **named)
    time.sleep(0.5)
    return failed

def slow_transform(node):
    slowed.add("transform")
    time.sleep(0.5)
    return transform(node)

shell.run_ast_nodes, shell.transform_ast = slow_run, slow_transform
shell.compile.__class__ = Slow
"""


def test_the_shell_s_own_work_is_not_in_the_wall_time(fresh_kernel: Any) -> None:
    """What the shell does around a cell's code, made half a second long, isn't the cell's."""
    fresh_kernel.execute("%load_ext e2e_magic")
    fresh_kernel.execute(SLOW_SHELL)
    fresh_kernel.execute("%%e2ebench nothing -q -o measured --repeat 2\npass")
    fresh_kernel.execute("shell.run_ast_nodes, shell.transform_ast = run_nodes, transform")
    fresh_kernel.execute("shell.compile.__class__ = Slow.__base__")
    fresh_kernel.execute(
        "%%e2ebench logged -q -o logged --repeat 5\nimport e2e_magic as e2e\ne2e.log(loss=1)"
    )
    least = "print(min(r.readings['wall_time_s'] for r in measured.records))"
    inside = "print(all(r.events.t_s[-1] <= r.readings['wall_time_s'] for r in logged.records))"

    slowed = fresh_kernel.execute("print(sorted(slowed))").stdout
    assert slowed == "['compile', 'run', 'transform']\n"
    assert float(fresh_kernel.execute(least).stdout) < 0.5
    assert fresh_kernel.execute(inside).stdout == "True\n"
