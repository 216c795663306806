"""Measures the service beside its peers on one PostgreSQL: `python -m bench`, or `make bench`.

| module | what is in it |
|---|---|
| `rows` | the requests that are measured, each with the statuses that are right |
| `peers/` | the applications that are compared; `peers/__init__` lists them, add yours there |
| `data`, `serving` | one database for each schema; each peer started, signed in to and compared |
| `requests`, `wrk` | the closed-loop client: wrk, driven by `wrk.lua` |
| `rounds`, `storm`, `overload`, `starts`, `imports`, `memory` | one kind of measurement each |
| `arrivals` | the open-loop client, for `overload` alone |
| `processor`, `machine` | processor time of processes; the facts of the machine |
| `figures`, `tables` | medians and ratios; Markdown tables of them |

A measurement of another kind gets a module of its own beside `rounds`.
"""
