"""The engine of the panel's ``isolated``: one warm process beside the kernel, ended at any instant.

Input: calls as plain data. Output: their values, prints and pictures as they come.
"""
