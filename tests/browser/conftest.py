"""A real JupyterLab in headless Chromium, driven as a person would."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# `data-status=idle` stands in the page before the kernel is connected; a Run All then is lost.
OPEN = """async name => { const app = window.jupyterapp; await app.serviceManager.kernelspecs.refreshSpecs();
  const p = await app.commands.execute('docmanager:open', {path: name}); await p.context.ready;
  await p.sessionContext.ready; await p.sessionContext.session.kernel.info; await p.revealed }"""
# A changed notebook would ask whether to save it.
CLOSE = """async () => { const app = window.jupyterapp; await app.serviceManager.sessions.shutdownAll();
  for (const p of [...app.shell.widgets('main')]) { if (p.context) p.context.model.dirty = false; p.close() }
  delete window.hit }"""
# A theme is there when its colours are: its name comes before its style sheet.
THEMED = """dark => new Promise(done => { const look = () => {
  const white = getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim() == 'white';
  if (white == !dark && document.body.dataset.jpThemeLight == String(!dark)) requestAnimationFrame(done);
  else requestAnimationFrame(look) }; look() })"""
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass
class Lab:
    """A running server."""

    url: str
    root: Path
    data: Path


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., None]) -> Iterator[Lab]:
    """Start JupyterLab on loopback with settings of its own."""
    need(shutil.which("chromium") or shutil.which("chromium-browser"), "Chromium (apt-get install chromium)")
    home, root, port = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("root"), _free_port()
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews":"false","checkForUpdates":false}'
    )
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    environment = {
        **os.environ,
        **{f"JUPYTER_{name}": str(home / name.lower()) for name in names},
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    log = (home / "log").open("w")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True"),
            *(f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True"),
        ],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        assert server.poll() is None, (home / "log").read_text()
        try:
            urllib.request.urlopen(f"{url}/api", timeout=10)
            break
        except OSError:
            time.sleep(0.1)
    yield Lab(url, root, home / "data_dir")
    server.terminate()
    server.wait(20)
    log.close()


@pytest.fixture(scope="package")
def ipykernel_631(lab: Lab, tmp_path_factory: pytest.TempPathFactory, need: Callable[..., None]) -> str:
    """Give the name of a kernel that is ipykernel 6.31, in a folder of its own before all others."""
    folder = tmp_path_factory.mktemp("ipykernel631")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"),
            *("--target", str(folder), "ipykernel==6.31.*"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    need(done.returncode == 0, f"ipykernel 6.31, which pip could not install: {done.stderr[-300:]}")
    spec = lab.data / "kernels" / "ipykernel631"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps(
            {
                "argv": argv,
                "display_name": "ipykernel 6.31",
                "language": "python",
                "env": {
                    "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
                },
            }
        )
    )
    return spec.name


@pytest.fixture(scope="package")
def browser(lab: Lab) -> Iterator[Any]:  # noqa: ARG001 - no browser without a server
    """Start Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # a busy machine's page takes its time
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def tab(browser: Any, lab: Lab) -> Any:
    """Open JupyterLab, which takes it seconds: once for all notebooks."""
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    opened.goto(f"{lab.url}/lab?reset")
    opened.wait_for_function("window.jupyterapp", timeout=60_000)
    opened.evaluate("window.jupyterapp.restored.then(() => null)")
    return opened


class Page:
    """One notebook, open in JupyterLab."""

    def __init__(self, tab: Any, name: str) -> None:
        self.tab = tab
        self.theme(dark=False)
        self.width(1200)
        self.tab.evaluate(OPEN, name)

    def close(self) -> None:
        """End the kernel and close the notebook, unsaved."""
        self.tab.evaluate(CLOSE)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Run one of JupyterLab's commands and wait for its end."""
        self.tab.evaluate(
            "async ([n, a]) => { await window.jupyterapp.commands.execute(n, a) }", [name, arguments or {}]
        )

    def run_cell(self, index: int) -> None:
        """Run one cell and wait for its end."""
        self.tab.evaluate(
            "async i => { const app = window.jupyterapp; const book = app.shell.currentWidget.content;"
            "book.activeCellIndex = i; book.deselectAll(); await app.commands.execute('notebook:run-cell') }",
            index,
        )

    def run_all_from_the_menu(self) -> None:
        """Click Run, Run All Cells, as a person does."""
        self.tab.get_by_role("menuitem", name="Run", exact=True).click()
        self.tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def theme(self, dark: bool) -> None:
        """Switch the theme."""
        self.command("apputils:change-theme", {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"})
        self.tab.evaluate(THEMED, dark)

    def width(self, width: int) -> None:
        """Make the window narrower or wider."""
        self.tab.set_viewport_size({"width": width, "height": 1000})
        self.tab.evaluate(DRAWN)

    def screenshot(self, name: str, locator: Any = None) -> Path:
        """Keep a picture for a person to look at."""
        ARTEFACTS.mkdir(exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        (locator or self.tab).screenshot(path=str(path))
        return path


@pytest.fixture(scope="package")
def serious() -> Callable[[Any, str], list[list[str]]]:
    """Give a function: the serious faults that axe-core finds in a part of a page, by its selector."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")

    def found(tab: Any, selector: str) -> list[list[str]]:
        tab.evaluate(axe)
        tested = tab.evaluate("where => axe.run(where, {resultTypes: ['violations']})", selector)
        assert tested["passes"]
        return [
            [fault["id"], fault["nodes"][0]["html"]]
            for fault in tested["violations"]
            if fault["impact"] in ("serious", "critical")
        ]

    return found


@pytest.fixture
def open_notebook(tab: Any, lab: Lab) -> Iterator[Callable[..., Page]]:
    """Write cells (or take a notebook file) into the server's folder and open it."""
    pages: list[Page] = []

    def opened(source: list[str] | Path, *, name: str = "notebook.ipynb", kernel: str = "python3") -> Page:
        if isinstance(source, Path):
            shutil.copy(source, lab.root / name)
        else:
            spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
            empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
            cells = [{**empty, "id": f"cell-{n}", "source": cell} for n, cell in enumerate(source)]
            book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": cells}
            (lab.root / name).write_text(json.dumps(book), "utf-8")
        pages.append(Page(tab, name))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
