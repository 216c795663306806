"""The books on somebody's list: rules, statements, forms and pages."""
