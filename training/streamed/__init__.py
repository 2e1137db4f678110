"""Training on a table that is larger than memory: a sample decides, and the rest is read anew for each pass."""
