"""How many different networks explain the same recording: agreement between all fits of all models."""
