"""The documentation: pages by hand, reference pages generated from the code, and what generates them."""
