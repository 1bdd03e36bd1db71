"""Compiled loops over the cells of some genes, by the module that calls them.

The tests hold a numpy twin of each.
"""
