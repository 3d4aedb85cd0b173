"""What maintainers run in a clone: the notebook builder and its rules, the lock file, the lane with
Colab's packages.
"""
