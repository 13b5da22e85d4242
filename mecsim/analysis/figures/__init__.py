"""One figure a file, each from tidy frames; ``mecsim plot`` draws them."""
