"""Training: losses, optimizers, the state and the step. Reads no files and no clock, prints nothing."""
