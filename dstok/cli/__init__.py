"""The command line: a module for each group of commands, and what they share.

    app         words -> a command, its exit code, its one line of error
    arguments   the parser and the options that several commands have
    models      --model, --special, --add-bos, --add-eos -> a tokenizer and what to call it with
    errors      errors of the library and the system -> the words of a user
    rows        tokens and pieces -> lines
    progress    how far a long input has been read, on a terminal
    colours     whether colours are wanted there

    encode, decode, count, dump (and pieces, with piece_counts), show, view
    about (explain, info, models), save, convert, verify, splitter, unicode
    chat (with chat_show), corpus (with corpus_folders, corpus_progress), completion

The commands import what they share, never the other way; the library imports nothing from here. Files and standard
input are read and written by `dstok/files`. What a small `dstok count` does not need (numpy, json, gzip, ...) is
imported where it is used, since the start is most of its time.
"""
