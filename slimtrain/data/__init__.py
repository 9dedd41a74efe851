"""Data: sources by index, batches as a function of the step, preprocessing. Never imports JAX."""
