"""What can be asked of the shop, and what follows by itself."""
