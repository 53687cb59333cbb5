"""Pictures of what was found. No number depends on them."""
