"""How fast the service answers, beside a Flask twin on the same machine: `python -m bench`.

`peers/` holds the applications compared and `peers/__init__.py` their list: add yours there.
`data` fills the database, `load` is the client, `rounds` measures, `report` prints. A measurement
that is not requests per second (a cold start, say) gets a module of its own beside `rounds`.
"""
