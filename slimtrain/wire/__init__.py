"""Encodings that the files of data and the files of weights share: checksums, messages. Imports no other room."""
