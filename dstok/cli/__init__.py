"""The command line: `commands.txt` lists the commands, and a module has the functions of each group of them.

`app` makes of words a command, its exit code and its one line of error; `arguments` has the parser, and what the values
of options stand for; `output` prints. The start is most of the time of a small `dstok count`, so modules that it does
not need (numpy, gzip, ...) are imported where they are used. The library imports nothing from here.
"""
