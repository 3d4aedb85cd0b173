"""How the data and the models that ship with the kit are made: planted worlds, and the pre-training
of its language models.
"""
