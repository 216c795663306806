"""The tests: folders mirror the package, one file per page or operation."""
