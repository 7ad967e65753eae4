"""One package, so that one JupyterLab and one Chromium serve all tests in it, and end with them."""
