"""The ways in from Python and from the shell.

Input: the arguments of a public function or a command line. Output: what the session measured or shows.
"""
