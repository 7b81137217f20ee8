"""The version of mlbench, where everything that records it can import it."""

__version__ = "0.1.0"
