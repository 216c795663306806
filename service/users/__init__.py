"""Accounts: rules, statements, forms and pages."""
