"""The words of the product as frozen values. Imports nothing of ours, does no I/O, reads no clock."""
