"""slimtrain: TF-Slim reborn on JAX, networks trained from YAML that anyone can read."""

__version__ = "0.1.0"
