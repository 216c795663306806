"""Rate limits: the buckets in the database, and the decorators for views."""
