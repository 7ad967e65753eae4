"""Collectors measure around the code: one file each, all behind the protocol of ``base``."""
