"""Placeholder interface, to be built: see the names below."""
