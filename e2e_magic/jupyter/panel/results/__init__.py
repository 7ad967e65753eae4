"""A panel's results as a widget that answers: charts, all rows, the trial that is looked at.

Input: a ledger of trials, as it grows. Output: the page's half of it, in plain JavaScript beside this file.
"""
