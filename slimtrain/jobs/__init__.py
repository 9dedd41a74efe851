"""One file a command: read, compute, write, return a record to print. Only here do the rooms meet."""
