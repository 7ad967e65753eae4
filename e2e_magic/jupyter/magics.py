"""The magics: each parses its line, builds a plan, hands it to the session and shows the result."""

from __future__ import annotations

import argparse
import ast
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display

from e2e_magic.jupyter import arguments, subcommands
from e2e_magic.jupyter.hooks import CellHooks, Measured
from e2e_magic.jupyter.measured_cell import MeasuredCell, MeasuredCode, plan_of
from e2e_magic.jupyter.notebook import Notebook
from e2e_magic.jupyter.running import check_awaited, compile_body, expanded
from e2e_magic.jupyter.shutdown import Shutdown
from e2e_magic.jupyter.sweep_arguments import sweep_parser
from e2e_magic.jupyter.transform import make_plain, stage_line
from e2e_magic.measuring import clocks
from e2e_magic.session import current
from e2e_magic.text import legible_lines


@magics_class
class E2EMagics(Magics):
    """``%%e2ebench``, ``%e2ebench``, ``%%e2esweep`` and ``%e2e``."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.notebook = Notebook(shell, current())
        self.matcher: Any = None  # what completes our lines, where it stands in the shell
        self.hooks = CellHooks(shell, self._measured)
        self.shutdown = Shutdown(shell)
        self.transformers = (
            (make_plain(shell), shell.input_transformers_cleanup),
            (self.notebook.transformed.rewrite, shell.input_transformers_post),
        )

    def _measured(self, nodes: list[ast.stmt], result: ExecutionResult) -> Measured | None:
        """Return the measurement of a cell that is about to run; remove the line that requests it."""
        began_ns = clocks.perf_counter_ns()
        line = stage_line(nodes)
        if line is None or result.info is None:
            return self.notebook.auto.measured(nodes, result)
        options = self._options(line, stage_first=not result.info.raw_cell.lstrip().startswith("%%"))
        body = "".join(result.info.raw_cell.lstrip().splitlines(keepends=True)[1:])
        if options.help:
            display({"text/plain": arguments.cell_parser().format_help()}, raw=True)
            nodes.clear()
            return None
        plan = plan_of(options, self.notebook.session, self.shell.user_ns)
        if plan.number != 1 and body.strip():  # the inner loop runs what is compiled as a whole
            call = f"get_ipython().run_cell_magic('e2ebench', {line!r}, {body!r})"
            nodes[:] = ast.parse("".join(self.notebook.transformed.rewritten(call))).body
            return None
        del nodes[0]
        self.notebook.remember(options, body)
        return MeasuredCell(self.notebook, plan, options, body, began_ns=began_ns)

    def _options(self, line: str, *, stage_first: bool) -> argparse.Namespace:
        """Read the options of a cell; behind ``%e2e stage`` expand the stage's name, but no EXPR."""
        if not stage_first:
            return arguments.read_cell_line(line)
        stage, *rest = line.split(" ", 1)
        try:
            return arguments.read_cell_line(" ".join([expanded(self.shell, stage), *rest]))
        except UsageError as error:
            text = str(error).replace("%%e2ebench?", "%e2e stage --help")
            raise UsageError(text.replace("%%e2ebench", "%e2e stage")) from None

    @no_var_expand
    @line_cell_magic
    def e2ebench(self, line: str, cell: str | None = None) -> Any:
        __tracebackhide__ = True
        began_ns = clocks.perf_counter_ns()
        if cell is None:
            parser = arguments.line_parser()
            options, body = arguments.split_statement(parser, line)
        else:
            parser = arguments.cell_parser()
            options, body = arguments.read_cell_line(line), cell
        if options.help:
            display({"text/plain": parser.format_help()}, raw=True)
            return None
        if cell is None and not body.strip():
            parser.error("there is no statement to measure, such as %e2ebench -s infer model.predict(X)")
        plan = plan_of(options, self.notebook.session, self.shell.user_ns)
        try:
            code = compile_body(self.shell, body, self.notebook.transformed.take(body))
        except SyntaxError as error:
            raise UsageError(_not_compiled(parser.prog, error, body, options.lines)) from None
        check_awaited(self.shell, code.is_async, parser.prog)
        if cell is not None:
            self.notebook.remember(options, cell)
        measured = MeasuredCode(
            self.notebook, plan, options, body, code, as_value=cell is None, began_ns=began_ns
        )
        return measured.run_async() if code.is_async else measured.run()

    @no_var_expand
    @cell_magic
    def e2esweep(self, line: str, cell: str) -> Any:
        __tracebackhide__ = True
        from e2e_magic.jupyter.sweep_magic import sweep_cell

        self.notebook.auto.leave_out()
        return sweep_cell(self.notebook, line, cell)

    @line_magic
    def e2e(self, line: str) -> Any:
        __tracebackhide__ = True
        try:
            return subcommands.act(line, self.notebook)
        except (ValueError, OSError, ImportError) as error:
            raise UsageError(legible_lines(str(error))) from None


def _not_compiled(magic: str, error: SyntaxError, body: str, lines: object) -> str:
    """Return the words for code that is no Python, with the place."""
    first, _, rest = body.strip().partition(" ")
    remedy = f"; functions are named as --lines={first}" if lines == () and rest else ""
    place = f"\n    {error.text.rstrip()}\n    {' ' * max((error.offset or 1) - 1, 0)}^" if error.text else ""
    return f"{magic}: the code can't be compiled: {error.msg}{remedy}{place}"


def _help_of_cells() -> str:
    return (
        "Measure this cell, or with one % this statement.\n\n"
        + arguments.cell_parser().format_help()
        + "\nEXPR is Python, evaluated after the code, outside the measured time.\n"
        + "\nAs a line: %e2ebench [-s STAGE] [options] STATEMENT\n"
    )


# IPython gets an object's help text by `getdoc`: it is built on request, not at each %load_ext.
for _magic, _help in (
    (E2EMagics.e2ebench, _help_of_cells),
    (E2EMagics.e2esweep, lambda: sweep_parser().format_help()),
    (E2EMagics.e2e, subcommands.overview),
):
    setattr(_magic, "getdoc", _help)  # noqa: B010 - a function declares no such attribute
