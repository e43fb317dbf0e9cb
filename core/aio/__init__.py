"""Tasks that have an owner, waiting, and blocking calls kept off the loop: once for the whole program."""
