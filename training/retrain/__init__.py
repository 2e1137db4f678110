"""What retraining adds to a run: held-out rows that last, checks of the data, and the gate."""
