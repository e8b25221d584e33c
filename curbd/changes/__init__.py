"""Changes of the weights of every pathway between conditions or days."""
