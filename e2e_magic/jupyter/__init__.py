"""The only folder that imports IPython: what `%load_ext e2e_magic` puts into the shell."""
