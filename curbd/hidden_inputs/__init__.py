"""Hidden inputs, slow and not recorded: the search for them, their inference, and their arrangement over fits."""
