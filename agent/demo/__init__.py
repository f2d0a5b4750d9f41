"""What `lineside demo` shows: photographs of solar cells, and the model that sorts them.

The bundle lies in `solar-cell/` and holds nothing of the photographs; those come with the extra `demo`.
"""
