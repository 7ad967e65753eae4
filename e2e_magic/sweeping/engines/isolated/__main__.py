"""The isolated process begins: run by this file's path, with descriptors of its parent as arguments."""

from __future__ import annotations

import json
import os
import sys

if __name__ == "__main__":
    LINK, LIFE, RAW, PARENT = (int(word) for word in sys.argv[1:])
    # First of all, so that errors from here on are read by the parent.
    os.dup2(RAW, 1)
    os.dup2(RAW, 2)
    os.close(RAW)
    # The kernel's own folders: the user's modules are imported from where it imports them.
    length = int.from_bytes(os.read(LINK, 4), "big")
    sent = b""
    while len(sent) < length:
        sent += os.read(LINK, length - len(sent))
    sys.path[:] = json.loads(sent)
    sys.argv[:] = [""]

    from e2e_magic.sweeping.engines.isolated.child import serve

    serve(LINK, LIFE, PARENT)
