"""Test kit for users and for adapters; needs the extra ``testing``. Nothing else in core imports it."""
