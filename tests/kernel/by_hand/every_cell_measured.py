"""A pytest plugin: IPython's and ipykernel's own tests with each of their cells measured. See ../README.md.

``E2E_MEASURED_BY`` says how: ``line`` puts ``%%e2ebench`` above each cell, ``auto`` turns ``%e2e auto`` on.
"""

from __future__ import annotations

import os
from typing import Any

LINE = "%%e2ebench -q\n"
BY_LINE = os.environ.get("E2E_MEASURED_BY", "line") == "line"
LOAD = "get_ipython().run_line_magic('load_ext', 'e2e_magic')\n"
AUTO = "get_ipython().run_line_magic('e2e', 'auto on')"
# In the kernel: tests read there what they sent.
ABOVE = f"""
def _above_each_cell(kernel, line={LINE!r}):
    execute = kernel.do_execute

    async def measured(code, silent, *args, **kwargs):
        bare = silent or not code.strip() or code.lstrip().startswith("%%e2e")
        return await execute(code if bare else line + code, silent, *args, **kwargs)

    kernel.do_execute = measured
_above_each_cell(get_ipython().kernel)
del _above_each_cell
"""
os.environ.setdefault("E2E_MAGIC_STORE", ":memory:")


def measured(code: Any) -> Any:
    """Return a cell under our line; one that is empty, or of another cell magic alone, stays as it is."""
    if not BY_LINE or not isinstance(code, str) or not code.strip() or code.lstrip().startswith("%%e2e"):
        return code
    return LINE + code


def _load(shell: Any) -> None:
    shell.extension_manager.load_extension("e2e_magic")
    if not BY_LINE:
        shell._e2e_magic_magics.notebook.auto.switch(on=True)


def _shells() -> None:
    from IPython.core.interactiveshell import InteractiveShell

    init, run = InteractiveShell.__init__, InteractiveShell.run_cell

    def init_loaded(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        _load(self)

    def run_measured(self: Any, raw_cell: str, *args: Any, **kwargs: Any) -> Any:
        return run(self, measured(raw_cell), *args, **kwargs)

    InteractiveShell.__init__ = init_loaded  # type: ignore[method-assign]
    InteractiveShell.run_cell = run_measured  # type: ignore[method-assign]


def _kernels() -> None:
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.client import KernelClient

    execute, wait = KernelClient.execute, BlockingKernelClient.wait_for_ready

    def execute_measured(self: Any, code: str, *args: Any, **kwargs: Any) -> Any:
        return execute(self, measured(code) if _debugging else code, *args, **kwargs)

    def wait_and_load(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = wait(self, *args, **kwargs)
        message = execute(self, LOAD + (ABOVE if BY_LINE else AUTO), silent=True, store_history=False)
        while self.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != message:
            pass
        while self.get_iopub_msg(timeout=60)["content"].get("execution_state") != "idle":
            pass
        return answer

    KernelClient.execute = execute_measured  # type: ignore[method-assign]
    BlockingKernelClient.execute = execute_measured  # type: ignore[method-assign]
    BlockingKernelClient.wait_for_ready = wait_and_load  # type: ignore[method-assign]


# At once: IPython's conftest makes its shell when it is imported.
_shells()
_kernels()


_debugging: list[str] = []


def pytest_runtest_setup(item: Any) -> None:
    """Know the debugger's tests: the cell that they ask about must be the one that runs."""
    _debugging[:] = [item.name] if hasattr(item.module, "wait_for_debug_request") else []


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Let the debugger's tests set their breakpoints in the cell as it is run: a line further down."""
    for module in {item.module for item in items if hasattr(item.module, "wait_for_debug_request")}:
        _debug(module)


def _debug(module: Any) -> None:
    ask = module.wait_for_debug_request

    def ask_measured(kernel: Any, command: str, arguments: Any = None, *rest: Any, **more: Any) -> Any:
        arguments = dict(arguments or {})
        if command == "dumpCell":
            arguments["code"] = measured(arguments["code"])
        if command == "setBreakpoints" and BY_LINE:
            arguments["breakpoints"] = [{**b, "line": b["line"] + 1} for b in arguments["breakpoints"]]
        return ask(kernel, command, arguments, *rest, **more)

    module.wait_for_debug_request = ask_measured
