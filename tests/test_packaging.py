"""The wheel that users install, and what it promises about itself."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PLAIN = {"ipython", "ipywidgets", "pandas", "matplotlib", "seaborn", "psutil", "pyrapl", "scikit-learn"}
PLAIN |= {"sqlalchemy"}  # the store's
PLAIN |= {"joblib", "numpy", "scipy"}  # they come with the eight, and the package imports them itself
EXTRAS = {
    "all", "benchmarks", "dask", "export", "gpu", "lab", "mlflow", "optuna", "pipelines", "postgresql",
    "test",
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Give the project's own table."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel offline."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [path] = target.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Give the wheel's METADATA."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def needs(requirements: list[str]) -> set[str]:
    """Return the names in requirements, without versions and markers, as indexes spell them."""
    return {re.split(r"[\[<>=;! ]", line)[0].lower().replace("_", "-") for line in requirements}


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every module is in the wheel, `py.typed` too; tests and notebooks are not."""
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "e2e_magic").rglob("*.py")}

    assert "e2e_magic/py.typed" in held
    assert modules <= held
    assert {name.split("/")[0] for name in held} == {"e2e_magic"}
    assert [name for name in held if not name.endswith((".py", "py.typed"))] == []


def test_the_wheel_is_pure_python_and_carries_its_licence(wheel: zipfile.ZipFile) -> None:
    """One wheel serves every system, and the licence travels with it."""
    assert wheel.filename is not None
    assert wheel.filename.endswith("-py3-none-any.whl")
    [licence] = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
    assert wheel.read(licence).decode().startswith("MIT License")


def test_the_wheel_alone_can_be_imported(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The package works from the wheel, away from the source tree."""
    wheel.extractall(tmp_path / "site")
    script = (
        "import e2e_magic\n"
        "with e2e_magic.measure('train'): sum(range(1000))\n"
        "frame = e2e_magic.results()\n"
        "print(e2e_magic.__file__, len(frame), frame.loc[0, 'state'], sep='\\n')"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert answer.returncode == 0, answer.stderr
    where, rows, state = answer.stdout.splitlines()
    assert Path(where) == tmp_path / "site" / "e2e_magic" / "__init__.py"
    assert (rows, state) == ("1", "complete")


def test_plain_dependencies(project: dict[str, Any]) -> None:
    """What is installed with the package is the contract's list and what it imports, with lower bounds."""
    assert needs(project["dependencies"]) == PLAIN
    assert all(">=" in line for line in project["dependencies"])


def test_extras_are_those_of_the_contract(project: dict[str, Any], metadata: Message) -> None:
    """The wheel offers the documented extras; `all` has every other one."""
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    [everything] = project["optional-dependencies"]["all"]
    assert {*everything.split("[")[1].rstrip("]").split(",")} == EXTRAS - {"all"}


def test_the_test_extra_leaves_frameworks_and_peers_out(project: dict[str, Any]) -> None:
    """`test` brings lab, export, optuna, dask and a driver for PostgreSQL, no ML framework, no peer."""
    extras = project["optional-dependencies"]
    [own] = [line for line in extras["test"] if line.startswith("e2e-magic[")]

    assert own == "e2e-magic[dask,export,lab,optuna,postgresql]"
    frameworks = {"torch", "tensorflow-cpu", "lightgbm", "xgboost-cpu", "bokeh-sampledata"}
    assert needs(extras["test"]) & (frameworks | needs(extras["benchmarks"])) == set()


def test_built_in_collectors_are_entry_points_that_load(project: dict[str, Any]) -> None:
    """The six built-in collectors are registered as another package's would be."""
    group = project["entry-points"]["e2e_magic.collectors"]

    assert list(group) == ["wall_time", "cpu", "memory", "io", "energy", "gpu"]
    for name, target in group.items():
        module, attribute = target.split(":")
        assert getattr(import_module(module), attribute).name == name


def test_the_declared_python_is_one_that_we_name(project: dict[str, Any]) -> None:
    """The lowest Python is 3.11, and classifiers and tools say the same."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]

    assert project["requires-python"] == ">=3.11"
    assert "Programming Language :: Python :: 3.11" in project["classifiers"]
    assert "Programming Language :: Python :: 3.10" not in project["classifiers"]
    assert (tools["ruff"]["target-version"], tools["mypy"]["python_version"]) == ("py311", "3.11")


def test_the_changelog_tells_of_this_version(project: dict[str, Any]) -> None:
    """What is built has its entry on top, under its version or, before its release, as unreleased."""
    lines = (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines()
    headings = [
        line.removeprefix("## ").split(" - ")[0].strip("[]") for line in lines if line.startswith("## ")
    ]

    assert headings[0] in {"Unreleased", project["version"]}
    assert len([line for line in lines if line.startswith("- ")]) > 0
