"""Files of a new project, as `metasyn init` writes them."""
