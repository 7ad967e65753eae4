"""The ways in from Python and from the shell.

In come the arguments of a public function or a command line; out goes what the session measured or shows.
"""
