"""The measurements behind the claims, one module each: `make evidence-<name>` writes docs/evidence/<name>.*."""
