"""The operator's commands; `commands` is the list of them."""
