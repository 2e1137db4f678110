"""What OpenAPI says beyond what Litestar can know: bodies that handlers take and return as bytes, headers, examples."""
