"""The `surety` command. One file per command; torch is imported only by those that compute."""
