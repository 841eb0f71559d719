"""JAX's own versions of neural-network operations."""
