"""The dynamics of a fitted network: fixed points, cycles, Lyapunov exponents, attractors and what inputs do to them."""
