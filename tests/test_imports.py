"""What an import loads and what it offers: fast at first, everything when asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import grimp
import pytest

import e2e_magic

HEAVY = (
    "IPython",
    "ipywidgets",
    "matplotlib",
    "numpy",
    "pandas",
    "scipy",
    "seaborn",
    "sklearn",
    "sqlalchemy",
)
FRAMEWORKS = ("jax", "keras", "lightgbm", "mlflow", "optuna", "sqlalchemy", "tensorflow", "torch", "xgboost")
PACKAGE = Path(e2e_magic.__file__).parent
# contract.md: what `import e2e_magic as e2e` offers as functions, now and later.
FUNCTIONS = {
    "compare", "confusions", "epochs", "export", "latency", "log", "measure", "metrics", "report", "results",
    "run", "runs", "samples", "store", "sweep", "track", "trials",
}  # fmt: skip


def fresh(script: str) -> Any:
    """Run a script in a new interpreter and read the JSON on the last line that it prints."""
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def loaded(script: str) -> set[str]:
    """Return the top-level packages that a script has loaded at its end."""
    return set(
        fresh(f"{script}\nimport json, sys\nprint(json.dumps([n.split('.')[0] for n in sys.modules]))")
    )


def test_the_import_loads_nothing_heavy() -> None:
    """`import e2e_magic` loads no IPython, numpy, pandas, matplotlib or framework."""
    assert loaded("import e2e_magic") & {*HEAVY, *FRAMEWORKS} == set()


def test_loading_the_extension_loads_nothing_heavy() -> None:
    """`%load_ext e2e_magic` adds none of the packages that only charts, frames and panels need."""
    found = loaded(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance(history_load_length=0).run_line_magic('load_ext', 'e2e_magic')"
    )

    assert "e2e_magic" in found
    assert found & ({*HEAVY, *FRAMEWORKS} - {"IPython"}) == set()


def test_a_script_measures_without_ipython_or_pandas() -> None:
    """`measure` in a plain script starts no IPython; a trial and its record need no pandas."""
    found = loaded("import e2e_magic as e2e\nwith e2e.measure('train'):\n    e2e.log(loss=0.5)")

    assert found & ({*HEAVY, *FRAMEWORKS} - {"numpy"}) == set()


def test_the_extension_never_loads_a_framework() -> None:
    """A measured cell and its card load no ML framework that the user hasn't loaded."""
    found = loaded(
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance(history_load_length=0)\n"
        "shell.run_cell('%load_ext e2e_magic').raise_error()\n"
        "shell.run_cell('%%e2ebench train\\nsum(range(1000))').raise_error()"
    )

    assert found & set(FRAMEWORKS) == set()


@pytest.mark.parametrize("name", e2e_magic.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    """Every name in `__all__` can be had, is no module, and says what it is for."""
    value = getattr(e2e_magic, name)

    assert not isinstance(value, ModuleType)
    assert value.__doc__
    assert name in dir(e2e_magic)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy package answers for a wrong name as any module does."""
    with pytest.raises(AttributeError, match=r"^module 'e2e_magic' has no attribute 'mesure'$"):
        e2e_magic.mesure  # noqa: B018


def test_a_star_import_brings_the_public_names() -> None:
    """`from e2e_magic import *` gives exactly `__all__`."""
    found = fresh(
        "import json\nspace = {}\nexec('from e2e_magic import *', space)\n"
        "print(json.dumps(sorted(set(space) - {'__builtins__'})))"
    )

    assert sorted(e2e_magic.__all__) == found


def test_a_public_name_survives_the_import_of_every_module() -> None:
    """No module takes the place of a public function, whichever is imported first."""
    found = fresh(
        f"""
        import importlib, json, pkgutil, types
        import e2e_magic
        for module in pkgutil.walk_packages(e2e_magic.__path__, "e2e_magic."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        names = {sorted(FUNCTIONS)!r} + e2e_magic.__all__
        print(json.dumps([n for n in names if isinstance(getattr(e2e_magic, n, None), types.ModuleType)]))
        """
    )

    assert found == []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="psutil serves where there is no /proc")
def test_the_sampler_process_needs_the_standard_library_only() -> None:
    """Started without site-packages, the sampler loads its own files and Python's, nothing else."""
    main = str(PACKAGE / "measuring" / "sampler" / "__main__.py")
    script = f"import json, runpy, sys; runpy.run_path({main!r}); print(json.dumps(list(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-E", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = {name.split(".")[0] for name in json.loads(answer.stdout)}

    assert "sampler" in names
    assert names - {*sys.stdlib_module_names, "__main__"} == {"sampler"}


def test_files_stay_short_and_are_named_after_what_they_hold() -> None:
    """No file of the package is above 350 lines, and none is called after a function or after nothing."""
    nothing = {"utils", "util", "helpers", "common", "core", "manager", "misc"}
    files = [path for path in PACKAGE.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"}]

    assert len(files) > 20
    assert [p for p in PACKAGE.rglob("*.py") if len(p.read_text("utf-8").splitlines()) > 350] == []
    assert [path for path in files if path.stem in nothing] == []
    top = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert top & FUNCTIONS == set()


ROOMS = {
    *("__init__.py", "record.py", "text.py", "session.py"),
    *("measuring", "sweeping", "derived", "storage", "views", "api", "jupyter", "integrations"),
}


def test_the_house_has_twelve_names_and_each_room_says_what_passes() -> None:
    """A newcomer opens the tree and sees the flow; each folder says what comes in and what goes out."""
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    faces = [face for face in PACKAGE.rglob("__init__.py") if face.parent != PACKAGE]
    silent = [
        str(face.parent.relative_to(PACKAGE))
        for face in faces
        if not re.search(r"\bInput: .*\. Output: ", face.read_text("utf-8"), re.DOTALL)
    ]

    assert names - {"py.typed"} == ROOMS
    assert silent == []


def test_no_modules_import_each_other() -> None:
    """The graph of modules has no circle, with imports inside functions counted."""
    graph = grimp.build_graph("e2e_magic", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    circle: list[str] = []
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = error.args[1]

    assert circle == []


def test_the_version_is_the_distributions() -> None:
    """`__version__` and the installed distribution agree."""
    from importlib.metadata import version

    assert re.fullmatch(r"\d+\.\d+\.\d+", e2e_magic.__version__)
    assert version("e2e-magic") == e2e_magic.__version__


def test_type_checkers_and_the_interpreter_see_the_same_names() -> None:
    """What the package promises to type checkers comes from the module in which it really lives."""
    text = Path(e2e_magic.__file__).read_text("utf-8")
    promised = re.findall(r"^    from (e2e_magic\.[\w.]+) import (?:\(([^)]*)\)|(.*))$", text, re.MULTILINE)
    pairs = [
        (home, name)
        for home, several, one in promised
        for name in re.findall(r"\w+", several or one)
        if name in e2e_magic.__all__
    ]

    assert sorted(name for _, name in pairs) == sorted(e2e_magic.__all__)
    for home, name in pairs:
        assert getattr(import_module(home), name) is getattr(e2e_magic, name)
