"""The wheel that users install, and what it promises about itself."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email.message import Message
from importlib import import_module
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PLAIN = {"ipython", "ipywidgets", "pandas", "matplotlib", "seaborn", "psutil", "pyrapl", "scikit-learn"}
PLAIN |= {"sqlalchemy"}  # the store's
PLAIN |= {"tqdm"}  # a sweep's bar in a terminal
PLAIN |= {"anywidget"}  # a panel's results
PLAIN |= {"joblib", "numpy", "scipy"}  # they come with the eight, and the package imports them itself
PLAIN |= {"cloudpickle"}  # what carries trials into other processes
PLACES = sorted({*ROOT.glob("tests/versions/*.txt")} - {ROOT / "tests/versions/oldest.txt"})
EXTRAS = {
    "all", "benchmarks", "dask", "export", "gpu", "lab", "mlflow", "optuna", "pipelines", "postgresql",
    "estimate", "ray", "spark", "test",
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """Give the project's own table."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and sdist offline; return their folder."""
    target = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-t",
            "sdist",
            "--directory",
            str(target),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return target


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    """Open the wheel."""
    [path] = built.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """Give the wheel's METADATA."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_bytes(wheel.read(name))


def needs(requirements: list[str]) -> set[str]:
    """Return the names in requirements, without versions and markers, as indexes spell them."""
    return {re.split(r"[\[<>=;! ]", line)[0].lower().replace("_", "-") for line in requirements}


def files(*folders: str) -> set[str]:
    """Return what lies in folders of the repository and isn't made by Python or by a notebook."""
    made = {"__pycache__", ".ipynb_checkpoints"}
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    ignored = (".pyc", ".db", ".db-shm", ".db-wal")
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if path.suffix not in ignored and not made & set(path.parts)
    }


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Modules, `py.typed` and what a panel sends to the page are in the wheel; tests and notebooks aren't."""
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert {Path(name).suffix for name in held} == {".py", ".typed", ".js", ".css"}
    assert held == files("e2e_magic")


def test_the_sdist_holds_what_wheel_and_tests_are_made_of(built: Path) -> None:
    """The package, its notebooks and tests, and what pip needs to make a wheel of it."""
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}

    assert files("e2e_magic", "tests") <= held
    assert {"pyproject.toml", "README.md", "LICENSE", "notebooks/quickstart.ipynb"} <= held


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


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write, of each distribution that is installed here, a wheel with nothing but its metadata."""
    folder = tmp_path_factory.mktemp("offered")
    for each in distributions():
        stem = f"{re.sub(r'[-_.]+', '_', each.name)}-{each.version}"
        if (metadata := each.read_text("METADATA")) and each.name != "e2e-magic":
            with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as made:
                made.writestr(f"{stem}.dist-info/METADATA", metadata)
                made.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
    return folder


@pytest.mark.parametrize("place", PLACES, ids=lambda path: path.stem)
def test_installing_replaces_nothing_of_a_place(
    place: Path, built: Path, offered: Path, tmp_path: Path, need: Any
) -> None:
    """Pip's report on our wheel, beside what is there and with the newest of all else, moves none of it."""
    need(find_spec("pip"), "pip")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", place.read_text("utf-8"), re.MULTILINE))
    venv.create(tmp_path / "there", symlinks=os.name != "nt")
    site = next((tmp_path / "there").glob("*/**/site-packages"))
    for name, version in pins.items():
        (there := site / f"{name.replace('-', '_')}-{version}.dist-info").mkdir()
        (there / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    [wheel] = built.glob("*.whl")
    asked = "--isolated", "--no-index", "--find-links", offered, "--dry-run", "--report", tmp_path / "report"
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            tmp_path / "there",
            "install",
            "-q",
            *asked,
            wheel,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )

    assert answer.returncode == 0, answer.stderr
    report = json.loads((tmp_path / "report").read_text("utf-8"))["install"]
    installed = {canonicalize_name(each["metadata"]["name"]) for each in report}
    assert {"e2e-magic", "anywidget"} <= installed
    assert {"ipython", "ipykernel", "pandas"} <= pins.keys()
    assert {name for name in pins if canonicalize_name(name) in installed} == set()


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
