"""The command line: one module a command group, and what they share.

    app        words -> a command, its exit code, its one line of error
    arguments  the parser and the options that several commands have
    models     --model, --special, --add-bos, --add-eos -> a tokenizer and what to call it with
    inputs     files, standard input, .gz, .zst -> blocks of bytes, lines, JSON records
    outputs    bytes -> standard output or a file; ids as text, JSON, .npy, raw uint32
    id_files   the way back: those four formats -> ids
    progress   how far a long input has been read, on a terminal
    encode, decode, count, dump (and pieces), about (explain, info, models), verify: the commands

Arrows run from the commands to what they share. Nothing here is imported by the library. What a small
`dstok count` does not need (numpy, json, gzip, ...) is imported where it is used: starting is most of its
time.
"""
