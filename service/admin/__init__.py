"""The admin plane: who may act, what was done, and the jobs that retrain."""
