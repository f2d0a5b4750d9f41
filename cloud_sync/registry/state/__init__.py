"""The registry's database. The one door to sqlalchemy; SQLite now, and nothing outside `database.py` knows that."""
