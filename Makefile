setup:
	scripts/setup
