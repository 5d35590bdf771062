"""The core meets the ports."""
