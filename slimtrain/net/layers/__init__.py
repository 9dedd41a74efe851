"""The layer functions, a family a file."""
