"""Measurement of one plan, which yields one record.

Input: a cell or a function and its `Plan`. Output: a `Record` with what the collectors measured
around the code and what the code reported from inside. Nothing here imports more than the standard library.
"""
