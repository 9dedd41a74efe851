"""Readers of file formats; they know files and nothing of sources."""
