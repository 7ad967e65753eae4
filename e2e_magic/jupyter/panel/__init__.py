"""The sweep panel: controls made from a line, a run that leaves the kernel usable, a page that grows."""
