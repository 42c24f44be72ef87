"""The judge's own mathematics in NumPy: data, forward pass, gradients, norms, training; no torch, no student code."""
