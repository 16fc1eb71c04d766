"""Training the models of an experiment."""
