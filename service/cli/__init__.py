"""The operator's commands; `commands` lists them."""
