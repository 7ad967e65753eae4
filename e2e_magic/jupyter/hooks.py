"""Measure a cell that IPython itself runs: nothing of ours stands between its code and the shell.

The cell is compiled, executed, displayed, debugged and, where it fails, shown by IPython exactly as ever.
Around its nodes a trial is entered; it ends before the value, the figures or the traceback are shown, whose
time is ``display_s``.
"""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from types import CodeType
from typing import Any, Protocol

from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from e2e_magic.jupyter.pictures import showing_silenced_charts
from e2e_magic.jupyter.running import overriding
from e2e_magic.jupyter.tracebacks import only_the_error, show_users_frames, showing_errors
from e2e_magic.jupyter.transform import running_in
from e2e_magic.measuring.trial import Trial


class Measured(Protocol):
    """The measurement of a cell, and its display.

    Attributes
    ----------
    trials : iterator of Trial
        Each is entered once, within `one`.
    """

    trials: Iterator[Trial]

    def shown(self) -> AbstractContextManager[Any]:
        """Return the context to enter around all trials."""

    def one(self, trial: Trial) -> AbstractContextManager[Any]:
        """Return the context to enter around one trial, the trial itself innermost."""

    def is_last(self, trial: Trial) -> bool:
        """Return whether no trial follows."""

    def displayed(self, seconds: float, *, shown: bool) -> None:
        """Record the seconds that the display of value, figures and traceback took; all is on the page now.

        `shown` is whether there was a value or a traceback.
        """


Choose = Callable[[list[ast.stmt], ExecutionResult], Measured | None]


class CellHooks:
    """Wrap the shell's execution of a cell's nodes.

    Parameters
    ----------
    shell : InteractiveShell
    choose : callable
        Given a cell's nodes, of which it may remove the first, and its result: what is measured, or None.
        `UsageError` where the cell's line is wrong.
    """

    def __init__(self, shell: InteractiveShell, choose: Choose) -> None:
        self._shell = shell
        self._choose = choose
        self._execution: _Execution | None = None
        self._result: ExecutionResult | None = None
        self._inside = False
        self._run_nodes: Any = None
        self._display_from = 0

    def install(self) -> None:
        """Put the hooks into the shell."""
        self._run_nodes = self._shell.run_ast_nodes
        self._shell.run_ast_nodes = self._run  # type: ignore[method-assign]
        self._shell.events.register("post_run_cell", self._after)
        # Before the hook of matplotlib's inline backend, which draws the figures.
        self._shell.events.callbacks["post_execute"].insert(0, self._before_figures)

    def remove(self) -> None:
        """Take the hooks out of the shell."""
        self._finish(None)
        if self._shell.__dict__.get("run_ast_nodes") == self._run:
            del self._shell.run_ast_nodes
        self._shell.events.unregister("post_run_cell", self._after)
        self._shell.events.unregister("post_execute", self._before_figures)

    async def _run(
        self,
        nodelist: list[ast.stmt],
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: ExecutionResult | None = None,
    ) -> bool | None:
        codes = _Codes(compiler, getattr(self._shell, _RENAMING, _as_it_is))

        async def run() -> bool | None:
            answer: bool | None = await self._run_nodes(
                nodelist, cell_name, interactivity=interactivity, compiler=codes, result=result
            )
            return answer

        if result is None or self._inside:  # of a cell that the code of another one runs
            return await run()
        self._finish(None)  # of a cell whose end was never reported
        try:
            measured = self._choose(nodelist, result)
            if measured is None:
                with (
                    showing_silenced_charts(self._shell),
                    showing_errors(self._shell, partial(show_users_frames, self._shell)),
                ):
                    return await run()
            await self._compile(codes, nodelist, cell_name, interactivity)
            if nodelist and not codes.compiled:  # its first statement is a syntax error: nothing runs
                return await run()
            self._execution = execution = _Execution(self._shell, measured, codes, nodelist)
            self._result, self._inside = result, True
            try:
                return await execution.run(run, result)
            finally:
                self._inside = False
                execution.restore()
                if result.info is not None and result.info.silent:  # the shell doesn't report its end
                    self._finish(None)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - as of any cell: a wrong line, an interrupt between two repeats
            result.error_in_exec = error
            if not isinstance(error, UsageError):
                only_the_error(self._shell, error)
            self._shell.showtraceback(running_compiled_code=True)
            return True

    async def _compile(
        self, codes: _Codes, nodes: list[ast.stmt], cell_name: str, interactivity: str
    ) -> None:
        """Compile all nodes as the shell will, before measuring; an error is raised at its node's turn."""

        async def run_nothing(*_: Any, **__: Any) -> bool:
            return False

        shell = self._shell
        quiet = {"run_code": run_nothing, "showtraceback": lambda *_, **__: None, _RENAMING: _as_it_is}
        with overriding(shell, **quiet):
            await self._run_nodes(nodes, cell_name, interactivity=interactivity, compiler=codes, result=None)

    def _before_figures(self) -> None:
        self._display_from = time.perf_counter_ns()

    def _after(self, result: ExecutionResult | None = None) -> None:
        # Of a cell that an interrupt left suspended the shell makes another result.
        if self._execution is not None and (result is self._result or not running_in(self._shell)):
            value = None if result is None else result.result
            self._finish(KeyboardInterrupt() if result is None else result.error_in_exec, value)

    def _finish(self, error: BaseException | None, value: object = None) -> None:
        """Finish the cell's execution, also one that an interrupt left suspended for ever."""
        execution, self._execution, self._result = self._execution, None, None
        if execution is None:
            return
        self._inside = False
        execution.end(error=error)
        execution.restore()
        began, self._display_from = self._display_from, 0
        execution.display_ns += time.perf_counter_ns() - began if began else 0
        shown = value is not None or error is not None
        execution.measured.displayed(execution.display_ns * 1e-9, shown=shown)


# IPython 7.34 runs a renamed copy of what was compiled, made anew each time: what is watched would never run.
_RENAMING = "_update_code_co_name"


def _as_it_is(code: CodeType) -> CodeType:
    return code


class _Codes:
    """Stand in for the shell's compiler, and compile and name each node once."""

    def __init__(self, compiler: Any, renamed: Callable[[CodeType], CodeType]) -> None:
        self._compiler = compiler
        self._renamed = renamed
        self._codes: dict[tuple[int, str], CodeType] = {}
        self.compiling: Callable[[ast.AST], None] | None = None
        self.instead: Callable[[CodeType], CodeType] | None = None  # of a trial: what is run for code

    @property
    def compiled(self) -> int:
        """The number of nodes that could be compiled."""
        return len(self._codes)

    @property
    def all(self) -> list[CodeType]:
        """The code objects of the nodes."""
        return list(self._codes.values())

    def __call__(self, tree: Any, name: str, mode: str) -> CodeType:
        node = tree.body[0]
        if self.compiling is not None:
            self.compiling(node)
        key = (id(node), mode)
        if key not in self._codes:
            self._codes[key] = self._renamed(self._compiler(tree, name, mode))
        return self._codes[key] if self.instead is None else self.instead(self._codes[key])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiler, name)


class _Execution:
    """The trials of one cell, each ended before anything of it is shown."""

    def __init__(
        self, shell: InteractiveShell, measured: Measured, codes: _Codes, nodes: list[ast.stmt]
    ) -> None:
        self.measured = measured
        self.display_ns = 0
        self._shell = shell
        self._nodes = nodes
        self._codes = codes
        codes.compiling = self._compiling
        self._around = ExitStack()
        self._one: ExitStack | None = None
        self._trial: Trial | None = None
        self._fresh = False  # whether nothing of the code has run in this trial yet
        self._hook: Any = None
        self._patches = ExitStack()

    async def run(
        self, run_nodes: Callable[[], Awaitable[bool | None]], result: ExecutionResult
    ) -> bool | None:
        """Run the cell as often as there are trials, up to a failure."""
        self._patches.enter_context(showing_errors(self._shell, self._failed))
        ours = {"run_code": self._timing(self._shell.run_code), _RENAMING: _as_it_is}
        self._patches.enter_context(overriding(self._shell, **ours))
        failed: bool | None = False
        self._around.enter_context(self.measured.shown())
        for trial in self.measured.trials:
            if trial.plan.lines is not None:
                self._watch(trial, result)
            self._begin(trial)
            failed = await run_nodes()
            self.end(error=(result.error_in_exec or result.error_before_exec) if failed else None)
            if failed:
                break
        return failed

    def _timing(self, run_code: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
        """Wrap the shell's execution of a node, so that time counts in each, from the first to the last."""

        async def timed(*args: Any, **kwargs: Any) -> bool:
            __tracebackhide__ = True
            trial = self._trial
            if trial is None or self._one is None:
                return await run_code(*args, **kwargs)
            if self._fresh:
                self._fresh = False
                trial.begin_code()
            else:
                trial.resume_code()
            failed = await run_code(*args, **kwargs)
            trial.pause_code()
            return failed

        return timed

    def _watch(self, trial: Trial, result: ExecutionResult) -> None:
        """Count the lines of the cell, of which our own has a number and no text."""
        typed = "" if result.info is None else "\n" + result.info.raw_cell.lstrip().partition("\n")[2]
        trial.watch(self._codes.all, self._shell.user_ns, text=typed)

    def _begin(self, trial: Trial) -> None:
        stack = ExitStack()
        self._trial = trial
        stack.enter_context(self.measured.one(trial))
        self._codes.instead = trial.loop.code
        self._one = stack
        self._fresh = True

    def end(self, value: Any = None, error: BaseException | None = None) -> None:
        """End the running trial, and after the last the context around all; a second call does nothing."""
        one, self._one = self._one, None
        if one is None or self._trial is None:
            return
        self._trial.value = value
        last = error is not None or self.measured.is_last(self._trial)
        with self._around if last else ExitStack():
            if error is None:
                one.close()
            else:
                trace = error.__traceback__
                one.__exit__(type(error), error, trace)
                error.__traceback__ = trace  # without the frames that it went through here

    def restore(self) -> None:
        """Remove the patches from the shell, and restore the display hook."""
        self._patches.close()
        if self._hook is not None and sys.displayhook == self._display:
            sys.displayhook = self._hook

    def _compiling(self, node: ast.AST) -> None:
        """Replace the display hook when the last expression's turn comes, to take its value."""
        if self._one is not None and node is self._nodes[-1] and isinstance(node, ast.Expr):
            self._hook = sys.displayhook
            sys.displayhook = self._display

    def _display(self, value: Any) -> None:
        """End the trial, then show its value if no repeat follows."""
        __tracebackhide__ = True
        sys.displayhook = self._hook
        last = self._trial is not None and self.measured.is_last(self._trial)
        try:
            self.end(value)
        except BaseException as error:
            only_the_error(self._shell, error)
            raise
        if last:
            with self._timed(), showing_silenced_charts(self._shell):
                sys.displayhook(value)

    def _failed(self, error: BaseException) -> AbstractContextManager[None]:
        """End the trial that failed; return the context that times the display of its error."""
        self.end(error=error)
        show_users_frames(self._shell, error)
        return self._timed()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter_ns()
        try:
            yield
        finally:
            self.display_ns += time.perf_counter_ns() - began
