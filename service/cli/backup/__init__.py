"""Dumps of all data that move between SQLite and PostgreSQL, in both directions.

A dump is text in UTF-8, one JSON object a line, packed by gzip where the name ends in `.gz`. The
first line says what it is: version of the format, schema revision, release, time, tables and
columns. Then comes one line for each row, `{"table":"books","row":{"id":1,…}}`, table by table,
those that others refer to first, in the order of the primary key. Times are RFC 3339 in UTC,
bytes base64, texts exact. The last line has the number of rows of each table, and the SHA-256 of
everything before it: that finds damage, not somebody who forges both.

`writer` and `restoring` are where to start reading. No click here, and no quart.
"""
