"""The sweep panel: controls made from a line, a run that leaves the kernel usable, a page that grows.

Input: a line with its cell. Output: the trials of the sweep that it runs, and a static page of them.
"""
