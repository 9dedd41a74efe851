"""Preprocessing and augmentation of batches of images."""
