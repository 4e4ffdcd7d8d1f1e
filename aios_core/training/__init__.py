"""From labelled features to a model version: fit, calibrate, evaluate, export, and compare with scikit-learn."""
