"""How good is a model, and is one better than another? Data in, measures with their uncertainty out; reports; quantizing."""
