"""All steps in order, what they will hold in memory, and how long each takes."""
