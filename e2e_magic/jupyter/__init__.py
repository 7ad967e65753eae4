"""The only folder that imports IPython: what `%load_ext e2e_magic` puts into the shell.

In come magic lines and cells; out go cards, panels, tables and results in the notebook or the terminal.
"""
