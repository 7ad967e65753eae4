"""A space of parameters becomes many records.

Input: a `SweepPlan` and a body to run. Output: the records of its trials, in the order of the schedule,
from the engine that was asked for.
"""
