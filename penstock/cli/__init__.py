"""The command line: one module for each group of commands, data on stdout and all else on stderr."""
