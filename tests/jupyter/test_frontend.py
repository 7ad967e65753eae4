from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from e2e_magic.jupyter.frontend import shows_widgets

# As a page names its requests; fixed, so that every test process collects the same tests.
PAGE = uuid.UUID("bd7669af-10f8-461a-bd38-0cbd20851c87")


def asked_by(msg_id: str, **content: Any) -> Any:
    """Return a shell whose kernel answers such a request."""
    parent = {"header": {"msg_id": msg_id}, "content": content}
    return SimpleNamespace(kernel=SimpleNamespace(get_parent=lambda: parent))


@pytest.mark.parametrize(
    ("msg_id", "allow_stdin", "expected"),
    [
        (str(PAGE), True, True),
        (str(PAGE), False, False),
        (f"{PAGE.hex[:8]}-{PAGE.hex}_4711_12", True, False),
        (f"{PAGE}_4711_12", True, False),
        ("vscode-17", True, True),
    ],
)
def test_who_shows_widgets(msg_id: str, allow_stdin: bool, expected: bool) -> None:
    """A page allows input and is no Python client."""
    assert shows_widgets(asked_by(msg_id, allow_stdin=allow_stdin)) is expected


def test_a_terminal_shows_no_widgets(shell: Any) -> None:
    """Without a kernel nobody does."""
    assert not shows_widgets(shell)
    assert not shows_widgets(asked_by("1"))
