"""The command line: a module for each group of commands, and their common parts.

`app` makes of words a command, its exit code and its one line of error; `arguments` has the parser, the options of
several commands and what their values stand for; `output` prints results, progress and errors. The commands import
these, never the other way; the library imports nothing from here. The start is most of the time of a small `dstok
count`, so modules that it does not need (numpy, gzip, ...) are imported where they are used.
"""
