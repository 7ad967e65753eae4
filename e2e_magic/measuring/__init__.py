"""A plan becomes one record.

In come a cell or a function and its `Plan`; out goes a `Record` with what the collectors measured around the
code and what the code reported from inside. Nothing here imports more than the standard library.
"""
