"""Benchmarks: dstok beside its peers, on the same texts, with the same ids. Not part of the installed package.

The path of the data: `cases` (texts) and `engines` (calls) -> `measure` (one of each, one process, one record) ->
`process` (starts it) -> `run` (rounds) -> `summary` (ids compared, medians, spread) -> a result file -> `table`,
`goals`, `chart`. README.md in this folder explains how to run the benchmarks and how to read the results.
"""
