"""The interpreters beside the machine's own that the suite is run on, in CI and by hand."""
