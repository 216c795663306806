"""The OpenAPI document, its parts, and the page that shows it."""
