//! Formula weights: every tensor is a pure function of (seed, name, index, shape).
