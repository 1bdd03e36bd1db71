"""Inputs that are damaged at random, read in processes of their own."""
