"""TensorFlow's checkpoints, read without TensorFlow, whose two formats are frozen and small.

TensorFlow is a download of 500 MB that not every Python has, and its reader promises nothing for damaged or hostile
files; this one checks every size against the file before it takes memory, and every checksum.
"""
