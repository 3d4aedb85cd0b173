"""What maintainers run in a clone: notebook builder and rules, lock file, Colab's packages."""
