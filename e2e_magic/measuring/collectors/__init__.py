"""Collectors measure around the code: one file each, all behind the protocol of ``base``.

Input: nothing but the moments of entering and leaving. Output: readings by metric name, or reasons.
"""
