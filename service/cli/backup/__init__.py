"""Dumps of all data, from SQLite or PostgreSQL to either of them (decision 23).

A dump is text in UTF-8 with one JSON object on each line, compressed with gzip if the name ends in
`.gz`. The first line contains the version of the format, schema revision, release, time, tables and
columns. Each of the next lines is a row: `{"table":"books","row":{"id":1,…}}`. Tables come after
the tables that they refer to, and their rows are in the order of the primary key. Times are RFC
3339 in UTC, bytes are base64, and texts are unchanged. The last line contains the number of rows of
each table, and the SHA-256 of all bytes before it. The hash finds damage, but not a forger, who can
change it as well.

Start reading at `writer` and `restoring`. This package imports neither click nor Quart.
"""
