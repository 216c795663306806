"""The list of books: rules, statements, shapes of input and pages."""
