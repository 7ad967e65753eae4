"""What a shell knows of the user's variables: its names, ``Out``, the last traceback; who made them."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

from e2e_magic.jupyter.running import cell_number
from e2e_magic.measuring.holders.kept import kept
from e2e_magic.measuring.holders.making import Made, Names
from e2e_magic.session import Session

if TYPE_CHECKING:
    from e2e_magic.measuring.holders.look import Holder
    from e2e_magic.measuring.holders.roots import Root, Roots

# What the shell itself writes among the user's names: inputs, outputs and their shorthands.
_OWN = re.compile(r"_|__|___|_i{1,3}|_i?\d+|In|Out|_[iod]h")
_LAST = ("_", "__", "___")


class Remembered:
    """The user's names in a shell, and the cell that made each.

    Parameters
    ----------
    shell : InteractiveShell
    session : Session
        Its newest record tells which stage a cell was.
    """

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self._shell = shell
        self._session = session
        self._records = len(session.records)
        self.names = Names(shell.user_ns)

    def note(self, result: ExecutionResult | None = None) -> None:
        """Note which names the cell that has just ended made."""
        records = self._session.records
        measured = records[-1] if len(records) > self._records else None
        self._records = len(records)
        number = getattr(result, "execution_count", None) or cell_number(self._shell)
        run, stage = (measured.run, measured.stage) if measured else (None, None)
        self.names.note(Made(number, datetime.now(UTC), run, stage))

    def roots(self) -> Roots:
        """Return all that may hold memory for the user of the shell."""
        from e2e_magic.measuring.holders.roots import Roots, of_figures, of_traceback

        return Roots([*self.variables(), *self._history(), *of_traceback(), *of_figures()], self._bounds())

    def _bounds(self) -> list[Any]:
        shell = self._shell
        kernel = getattr(shell, "kernel", None)
        return [shell, kernel, shell.user_ns, shell.user_ns_hidden, self._out, self, self._session]

    def kept(self, kept_mib: float, value: Any) -> dict[str, Any]:
        """Return who holds what the running cell kept so far; its value is about to become ``Out[N]``."""
        made, output = self.names.changed(), f"Out[{cell_number(self._shell)}]"

        def roots() -> Roots:
            from e2e_magic.measuring.holders.roots import Root, Roots

            own = [] if value is None else [Root(output, value, "history")]
            return Roots([*self.variables(), *own, *self._history()], self._bounds())

        return kept(kept_mib, roots, [*made, output], self.names.imported())

    def variables(self) -> Iterator[Root]:
        """Yield the user's own names."""
        from e2e_magic.measuring.holders.roots import named

        hidden = self._shell.user_ns_hidden
        for root in named(self._shell.user_ns, self.names.made):
            if not (_OWN.fullmatch(root.name) or hidden.get(root.name, self) is root.value):
                yield root

    @property
    def _out(self) -> dict[int, Any]:
        out: dict[int, Any] = self._shell.user_ns.get("_oh", {})
        return out

    def _history(self) -> Iterator[Root]:
        """Yield ``Out[N]``, and ``_`` where that holds another thing."""
        from e2e_magic.measuring.holders.roots import Root

        values = {f"Out[{number}]": value for number, value in list(self._out.items())}
        known = {id(value) for value in values.values()}
        values |= {
            name: self._shell.user_ns[name]
            for name in _LAST
            if name in self._shell.user_ns and id(self._shell.user_ns[name]) not in known
        }
        for name, value in values.items():
            number = int(name[4:-1]) if name not in _LAST else None
            made = self.names.made.get(f"_{number}") if number is not None else None
            if not (type(value) is str and not value):
                yield Root(name, value, "history", made)

    def drop(self, found: Iterable[Holder]) -> None:
        """Drop what only the history holds: outputs under all their names, the last traceback."""
        for holder in found:
            if holder.where == "traceback":
                self._drop_traceback()
            elif holder.name in _LAST:
                self._drop_value(self._shell.user_ns.get(holder.name))
            else:
                self._drop_value(self._out.pop(int(holder.name[4:-1]), None))
                for names in (self._shell.user_ns, self._shell.user_ns_hidden):
                    names.pop(f"_{holder.name[4:-1]}", None)
        self._shell.last_execution_result = None  # of the cell before this one: its value, its error
        gc.collect()  # errors and their frames refer to each other

    def _drop_value(self, value: Any) -> None:
        """Take a value out of ``_``, ``__`` and ``___``, and out of the hook that fills them."""
        hook = self._shell.displayhook
        for name in _LAST:
            if self._shell.user_ns.get(name) is value:
                self._shell.user_ns[name] = ""
                self._shell.user_ns_hidden[name] = ""
            if getattr(hook, name, None) is value:
                setattr(hook, name, "")

    def _drop_traceback(self) -> None:
        for name in ("last_exc", "last_value", "last_type", "last_traceback"):
            with suppress(AttributeError):
                delattr(sys, name)
        for handler in (self._shell.InteractiveTB, self._shell.SyntaxTB):
            for name in ("tb", "etype", "value"):
                if hasattr(handler, name):
                    setattr(handler, name, None)
