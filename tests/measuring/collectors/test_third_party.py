"""Collectors from other packages: installed as real distributions, found, used, and broken ones named."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from e2e_magic.measuring.collectors import base
from e2e_magic.measuring.collectors.base import BUILT_IN
from e2e_magic.record import Metric
from tests.contracts import CollectorContract

EXAMPLE = Path(__file__).parent / "third_party"


def load_example() -> ModuleType:
    """Import the example from its folder, without installing it."""
    spec = importlib.util.spec_from_file_location(
        "e2e_magic_switches", EXAMPLE / "e2e_magic_switches" / "__init__.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestSwitches(CollectorContract):
    """The documented example keeps the same contract as the built-in collectors."""

    collector = load_example().Switches
    units = frozenset({""})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example with pip, offline, into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "third_party"
    shutil.copytree(EXAMPLE, source)  # a build writes into its source
    target = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--no-compile", "--quiet", "--target"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(target), str(source)], check=True)
    return target


def write_broken(folder: Path) -> Path:
    """Write a distribution whose module fails as it is imported."""
    (folder / "e2e_magic_broken.py").write_text("import a_package_that_is_not_there\n")
    info = folder / "e2e_magic_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: e2e-magic-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[e2e_magic.collectors]\nbroken = e2e_magic_broken:Broken\n")
    return folder


def fresh(script: str, *folders: Path) -> Any:
    """Run a script in a new interpreter that has these folders on its path, and read the JSON it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_an_installed_collector_is_found_and_measures(installed: Path) -> None:
    """After pip install the collector is there by its name, and its numbers come from the measured code."""
    found = fresh(
        """
        import json, time
        from e2e_magic.measuring.collectors.base import Collector, registered
        cls = registered()["switches"]
        with cls() as collector:
            for _ in range(25):
                time.sleep(0.001)
        print(json.dumps({"readings": dict(collector.readings()), "module": cls.__module__,
            "collector": isinstance(collector, Collector), "names": list(registered())}))
        """,
        installed,
    )

    assert found["module"] == "e2e_magic_switches"
    assert found["collector"] is True
    assert found["readings"]["switches_waited"] >= 25
    assert found["readings"]["switches_forced"] >= 0
    assert found["names"] == [*BUILT_IN, "switches"]


def test_a_package_installed_meanwhile_is_found_when_looked_for_again(installed: Path) -> None:
    """In a running kernel the registry is kept, until it is asked to look again."""
    found = fresh(
        f"""
        import json, sys
        from e2e_magic.measuring.collectors.base import registered
        before = list(registered())
        sys.path.append({str(installed)!r})
        print(json.dumps([before, list(registered()), list(registered(again=True))]))
        """
    )

    assert found == [[*BUILT_IN], [*BUILT_IN], [*BUILT_IN, "switches"]]


def test_a_broken_package_is_named_and_all_others_work(installed: Path, tmp_path: Path) -> None:
    """A collector that can't be imported is unavailable, with the reason and what to do."""
    found = fresh(
        """
        import json
        from e2e_magic.measuring.collectors.base import Unavailable, registered
        classes = registered()
        with classes["wall_time"]() as wall, classes["switches"]() as switches:
            pass
        print(json.dumps({"names": list(classes), "broken": str(classes["broken"]),
            "unavailable": [name for name, cls in classes.items() if isinstance(cls, Unavailable)],
            "readings": [*wall.readings(), *switches.readings()]}))
        """,
        installed,
        write_broken(tmp_path),
    )

    assert found["names"] == [*BUILT_IN, "broken", "switches"]
    assert found["unavailable"] == ["broken"]
    assert found["readings"] == ["wall_time_s", "switches_waited", "switches_forced"]
    assert found["broken"] == (
        "e2e_magic_broken:Broken could not be imported "
        "(ModuleNotFoundError: No module named 'a_package_that_is_not_there'); "
        "update or remove the package that brings it"
    )


def test_the_built_in_collectors_are_registered_as_any_other() -> None:
    """The built-in ones come through the same entry points, in the order of display."""
    assert list(base.registered())[: len(BUILT_IN)] == list(BUILT_IN)


def test_collectors_load_nothing_heavy() -> None:
    """Importing all built-in collectors loads no IPython, numpy, pandas, psutil or framework."""
    loaded = fresh(
        """
        import json, sys
        from e2e_magic.measuring.collectors import cpu, io, memory, wall_time
        heavy = ["IPython", "ipywidgets", "numpy", "pandas", "matplotlib", "psutil", "sklearn", "torch"]
        print(json.dumps([name for name in heavy if name in sys.modules]))
        """
    )

    assert loaded == []


def test_the_whole_set_costs_little_together() -> None:
    """The four collectors of every trial cost less than 0.4 ms together, in the best of many trials."""
    best = fresh(
        """
        import json, time
        from contextlib import ExitStack
        from e2e_magic.measuring.collectors.cpu import Cpu
        from e2e_magic.measuring.collectors.io import Io
        from e2e_magic.measuring.collectors.memory import Memory
        from e2e_magic.measuring.collectors.wall_time import WallTime
        best = 1.0
        for _ in range(300):
            start = time.perf_counter()
            collectors = [Io(), Memory(), Cpu(), WallTime()]
            with ExitStack() as stack:
                for collector in collectors:
                    collector.probes()
                    stack.enter_context(collector)
            for collector in collectors:
                collector.readings()
                collector.missing()
            best = min(best, time.perf_counter() - start)
        print(json.dumps(best * 1e6))
        """
    )

    assert best < 400


def test_a_collector_that_fails_to_be_made_costs_its_own_rows_of_metrics(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`%e2e metrics` says what it raised, and lists all others."""
    from e2e_magic.views import catalog as module

    class Broken(base.Collector):
        name = "broken"
        metrics = (Metric("noise_db", "dB", "room"),)

        def __init__(self) -> None:
            raise RuntimeError("no microphone")

    known = base.registered()
    monkeypatch.setattr(module, "registered", lambda **_: {**known, "broken": Broken})

    frame = session.frame("metrics").set_index("metric")

    assert frame.loc["noise_db", "why"] == "it fails (RuntimeError: no microphone)"
    assert frame.loc["noise_db", "what_to_do"] == "leave it out with --metrics"
    assert frame.loc["wall_time_s", "available"]
