"""What the Makefile, the continuous integration and the tests of this repository run. Nothing here is published."""
