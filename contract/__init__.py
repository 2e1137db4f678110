"""What a model is: features, labels, tensors, card, repository, errors.

Both sides, training and service, build on this package and on nothing of each other. It needs the standard library,
numpy and msgspec, and importing it does nothing.
"""
