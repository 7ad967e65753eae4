"""The compare panel: runs, stage, metric and chart chosen with the mouse; table, chart and curves follow.

Input: a session with runs. Output: a widget with the choices, and the comparison as an output of the cell.
"""
