from __future__ import annotations

import sys
from pathlib import Path

import pytest

from e2e_magic.storage import Store, StoreError
from e2e_magic.storage.address import readable, url_of


def test_a_path_is_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative, at home or absolute, with any character in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert readable(url_of("team.db")) == str(tmp_path / "team.db")
    assert readable(url_of("~/x.db")) == str(tmp_path / "x.db")
    assert readable(url_of(f"{tmp_path}/a b?c#d%41.db")) == f"{tmp_path}/a b?c#d%41.db"
    assert readable(url_of("sqlite:///team.db")) == str(tmp_path / "team.db")
    assert readable(url_of(":memory:")) == ":memory:"
    with Store(str(tmp_path / "a b?c#d%41.db")):
        assert (tmp_path / "a b?c#d%41.db").exists()


def test_a_password_is_never_shown() -> None:
    """Errors and cards are copied into mails."""
    url = url_of("postgresql://me:secret@db.example/team")

    assert readable(url) == "postgresql+psycopg://me:***@db.example/team"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (
            " ",
            "the store '' has no name; give a path such as team.db, a URL such as "
            "postgresql+psycopg://user@host/name, or :memory: for none",
        ),
        (
            "://secret",
            "the store's URL can't be read; it looks like postgresql+psycopg://user:password@host/name "
            "or sqlite:///path/to/file.db, with special characters in the password written as %XX",
        ),
        (
            "access97://me:secret@host/x",
            "the store access97://me:***@host/x names a kind of database, access97, that is not known; "
            "use sqlite:///PATH or postgresql+psycopg://user@host/name, or install its SQLAlchemy dialect",
        ),
    ],
)
def test_what_is_no_url_is_said(url: str, sentence: str) -> None:
    """One sentence, without the password."""
    with pytest.raises(StoreError) as caught:
        Store(url)

    assert str(caught.value) == sentence


def test_a_driver_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:secret@localhost/x")

    assert str(caught.value) == (
        "the store postgresql+psycopg://me:***@localhost/x needs the package psycopg, which isn't installed; "
        'pip install "e2e-magic[postgresql]"'
    )


def test_a_driver_whose_package_has_another_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip knows, not what Python imports."""
    monkeypatch.setitem(sys.modules, "MySQLdb", None)

    with pytest.raises(StoreError) as caught:
        Store("mysql://me:secret@localhost/x")

    assert str(caught.value) == (
        "the store mysql://me:***@localhost/x needs the package MySQLdb, which isn't installed; "
        "pip install mysqlclient"
    )


def test_a_server_that_does_not_answer_is_said() -> None:
    """What the driver says, and no password."""
    with pytest.raises(StoreError) as caught:
        Store("postgresql://me:secret@127.0.0.1:1/x")

    said = str(caught.value)
    assert said.startswith(
        "the store postgresql+psycopg://me:***@127.0.0.1:1/x can't be opened: connection failed"
    )
    assert said.endswith("(OperationalError); mend that, or name another store with %e2e store URL")
    assert "secret" not in said


def test_a_store_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    """A command that only reads doesn't leave an empty file for a typing error."""
    with pytest.raises(StoreError) as caught:
        Store(str(tmp_path / "typo.db"), create=False)

    assert str(caught.value) == f"there is no store {tmp_path / 'typo.db'}; check the path"
    assert list(tmp_path.iterdir()) == []


def test_the_short_name_of_postgresql_is_known() -> None:
    """Hosts hand out ``postgres://`` URLs, which SQLAlchemy no longer takes."""
    assert (
        readable(url_of("postgres://me:secret@db.example/team"))
        == "postgresql+psycopg://me:***@db.example/team"
    )
