"""What a person calls a store, and the engine behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from e2e_magic.storage.errors import StoreError
from e2e_magic.storage.local_file import PATIENCE_S, absolute, check_size, configure

_DRIVERS = {
    "psycopg": 'pip install "e2e-magic[postgresql]"',
    "psycopg2": 'pip install "e2e-magic[postgresql]" and begin the URL with postgresql+psycopg://',
    "MySQLdb": "pip install mysqlclient",
}


def url_of(text: str) -> sa.URL:
    """Return the URL of a store: SQLAlchemy's own form, or a path, which is SQLite's.

    Raises
    ------
    StoreError
        If it is neither.
    """
    text = text.strip()
    if text == ":memory:":
        return sa.URL.create("sqlite")
    if "://" not in text:
        if not text:
            raise StoreError(
                "the store '' has no name; give a path such as team.db, a URL such as "
                "postgresql+psycopg://user@host/name, or :memory: for none"
            )
        return sa.URL.create("sqlite", database=_whole(text))
    if text.startswith("postgres://"):  # what hosts hand out, and SQLAlchemy knows no more
        text = f"postgresql{text[len('postgres') :]}"
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError(
            "the store's URL can't be read; it looks like postgresql+psycopg://user:password@host/name "
            "or sqlite:///path/to/file.db, with special characters in the password written as %XX"
        ) from None
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        if url.database.startswith("file:"):
            return url
        return url.set(database=_whole(url.database))
    if url.drivername == "postgresql":  # psycopg 3 is what the extra brings
        return url.set(drivername="postgresql+psycopg")
    return url


def _whole(path: str) -> str:
    whole = absolute(path)
    if not whole.is_absolute():
        raise StoreError(
            f"the store {path} can't be opened: the working directory is gone; give its whole path"
        )
    return str(whole)


def readable(url: sa.URL) -> str:
    """Return a URL as a person may see it: a path for SQLite, else without the password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ":memory:"
    return url.render_as_string(hide_password=True)


def exists(url: sa.URL) -> bool:
    """Return whether a store exists; a server's is assumed to."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return True
    return url.database == ":memory:" or _there(Path(url.database))


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # it lies in a folder that can't be entered: SQLite says so in its own words
        return True


def check_file(url: sa.URL) -> None:
    """Raise `StoreError` for a file of something else: SQLite would overwrite a short one."""
    path = _file(url)
    if path is not None:
        check_size(path)


def for_reading(url: sa.URL) -> sa.URL | None:
    """Return the URL that reads a file in a folder that may not be written; None where that does not apply.

    SQLite would make a log beside the file even to read it. Where there is none, nobody is writing, and the
    file can be read as it is.
    """
    path = _file(url)
    if path is None or (os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)):
        return None
    if not os.access(path, os.R_OK) or path.with_name(f"{path.name}-wal").exists():
        return None
    query = {"mode": "ro", "immutable": "1", "uri": "true"}
    return sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query=query)


def _file(url: sa.URL) -> Path | None:
    """Return the path of a SQLite file that is there."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    if url.database.startswith((":memory:", "file:")):
        return None
    path = Path(url.database)
    return path if _there(path) else None


def engine_of(url: sa.URL) -> sa.Engine:
    """Return an engine with one connection, which writers share.

    Raises
    ------
    StoreError
        If the database's driver isn't installed or there is no such kind of database.
    """
    sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {}
    if sqlite:
        # Our own lock keeps threads apart; the transactions are begun below, not by the driver.
        arguments = {"check_same_thread": False, "timeout": PATIENCE_S, "isolation_level": None}
    elif url.drivername.partition("+")[2] in _DRIVERS and "connect_timeout" not in url.query:
        arguments = {"connect_timeout": int(PATIENCE_S)}
    try:
        engine = sa.create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=not sqlite,
            connect_args=arguments,
        )
    except NoSuchModuleError:
        raise StoreError(
            f"the store {readable(url)} names a kind of database, {url.drivername}, that is not known; "
            "use sqlite:///PATH or postgresql+psycopg://user@host/name, or install its SQLAlchemy dialect"
        ) from None
    except ModuleNotFoundError as error:
        remedy = _DRIVERS.get(str(error.name), f"pip install {error.name}")
        raise StoreError(
            f"the store {readable(url)} needs the package {error.name}, which isn't installed; {remedy}"
        ) from None
    if sqlite:
        sa.event.listen(engine, "connect", _configure)
        sa.event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: object) -> None:
    configure(connection)


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction; a writer takes the lock at once, for one that turns writer later can't wait."""
    writes = connection.get_execution_options().get("e2e_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
