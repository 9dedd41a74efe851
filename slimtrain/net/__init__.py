"""The network: layers, variables, the forward pass and the pure functions that come from it."""
