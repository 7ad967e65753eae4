"""The sampler process: samples the probes of the kernel, from outside, until the kernel is gone.

It is run by its path, with ``-I -S -E`` where ``/proc`` is: it never imports the package that it lies in, nor
anything that isn't in the standard library (psutil, elsewhere, excepted). Short, as Python compiles it anew
at each start; what it imports is compiled once.
"""

import os
import sys

if not __package__:
    # The files beside this one, as a package of their own: its `__init__`, the kernel's side, stays out.
    _module = type(sys)("sampler")
    _module.__path__ = [os.path.dirname(os.path.abspath(__file__))]  # noqa: PTH100, PTH120 - pathlib is 2 MiB
    sys.modules["sampler"] = _module
    __package__ = "sampler"

from .server import main

if __name__ == "__main__":
    main(sys.argv[1:])
