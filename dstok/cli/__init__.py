"""The command line: a module for each group of commands, and their common parts.

    app         words -> a command, its exit code, its one line of error
    arguments   the parser and the options of several commands
    models      --model, --special, --add-bos, --add-eos -> a tokenizer and the arguments of its calls
    errors      errors of the library and the system -> the words of a user
    rows        tokens and pieces -> lines
    progress    the progress of reading a long input, on a terminal
    colours     whether a terminal should get colours

    encode, decode, count, dump (and pieces, with piece_counts), show, view
    about (explain, info, models), save, convert, verify, splitter, unicode
    chat (with chat_show), corpus (with corpus_folders, corpus_progress), completion

The commands import the common parts, never the other way; the library imports nothing from here. `dstok/files`
reads and writes files and standard input. The start is most of the time of a small `dstok count`, so modules that
it does not need (numpy, json, gzip, ...) are imported where they are used.
"""
