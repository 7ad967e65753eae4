"""Which variable holds the memory of this process: sizes by asking and walking, without a copy or an import.

Input: names and values (`roots.Roots`), while they are looked at. Output: `look.Holder`, numbers and texts
that keep nothing alive.
"""
