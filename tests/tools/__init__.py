"""What `make check` and `make benchmark` run besides the tests."""
