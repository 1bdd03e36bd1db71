"""Compiled loops over the cells of some genes, in modules named like those that call them.

The tests contain a numpy version of each.
"""
