"""The order, the commands and the wiring of the first tutorial: its blocks up to the mediator, as they stand there."""

from scripts.documentation.page import pages

for _block in list(next(page for page in pages() if page.name == "docs/tutorial/first-steps.md").blocks())[:4]:
    exec(_block.padded(), globals())
