"""A space of parameters becomes many records.

In come a `SweepPlan` and a body to run; out go the records of its trials, in the order of the schedule,
from the engine that was asked for.
"""
