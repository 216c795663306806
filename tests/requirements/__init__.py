"""The requirement files: complete for every interpreter, since pip resolves nothing."""
