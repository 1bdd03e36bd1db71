"""All steps in order, their memory, and the time of each."""
