"""The OpenAPI document, the page that shows it, and the parts that it is made of."""
