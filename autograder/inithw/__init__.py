"""Grade the homework "initialization and local linearization of a deep ReLU network"."""

__version__ = "1.0.0"
