from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store_contract import StoreContract


class TestSqliteFile(StoreContract):
    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Callable[[], str]:
        made = iter(range(10**6))
        return lambda: str(tmp_path / f"store {next(made)}.db")


class TestSqliteMemory(StoreContract):
    lasting = False

    @pytest.fixture
    def fresh(self) -> Callable[[], str]:
        return lambda: ":memory:"


class TestPostgresql(StoreContract):
    @pytest.fixture
    def fresh(self, new_postgresql: Callable[[], str]) -> Callable[[], str]:
        return new_postgresql
