"""The equation, one fitted network, its file, and the recording as the network sees it."""
