"""What retraining promises, each as a function that puts it to the test: see `bench.reliability`."""
