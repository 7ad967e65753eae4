"""Lines of measured code: how long each ran, how often, and the memory that it took.

Input: the code objects of a cell or function. Output: `record.Lines`. Imported only where it is asked for.
"""
