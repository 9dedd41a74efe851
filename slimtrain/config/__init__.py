"""The config: text to a checked Document, scopes to a Plan, and back to text. Never imports JAX."""
