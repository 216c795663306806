"""How fast the service answers, beside a Flask twin on the same machine: `python -m bench`.

`peers/` holds the applications compared and `peers/__init__.py` their list: add yours there.
`data` fills the database, `load` is the client, `rounds` measures, with `cpu` for the servers'
processor time, `starts` and `memory` what their names say, and `report` prints. A measurement of
another kind gets a module of its own beside `rounds`.
"""
