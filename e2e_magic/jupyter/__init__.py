"""The only folder that imports IPython: what `%load_ext e2e_magic` puts into the shell.

Input: magic lines and cells. Output: cards, panels, tables and results in the notebook or the terminal.
"""
