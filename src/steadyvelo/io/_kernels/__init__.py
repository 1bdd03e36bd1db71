"""Compiled loops over the bytes of files, in modules named like those that call them."""
