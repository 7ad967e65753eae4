"""Collectors measure around the code: one file each, all behind the protocol of ``base``.

In comes nothing but the moments of entering and leaving; out go readings by metric name, or reasons.
"""
