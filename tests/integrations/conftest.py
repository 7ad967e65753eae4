"""What every hook's test needs: an open log, and a small problem that can be learnt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from e2e_magic.measuring.events import EventLog


@pytest.fixture
def opened() -> Iterator[EventLog]:
    """Give the log of a trial that is running."""
    target = EventLog()
    target.open()
    yield target
    target.close()


@pytest.fixture(scope="session")
def blobs() -> tuple[Any, Any]:
    """Give 200 entries of 4 features in two classes that a line parts: shapes (200, 4) and (200,)."""
    generator = np.random.default_rng(0)
    features = generator.normal(size=(200, 4)).astype("float32")
    return features, (features[:, 0] + features[:, 1] > 0).astype("int64")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that makes modules absent, and forgets the hook's class that was made from them."""

    def hide(hook: Any, public: str, *modules: str) -> None:
        monkeypatch.delitem(vars(hook), public, raising=False)
        for module in modules:
            monkeypatch.setitem(__import__("sys").modules, module, None)

    return hide
