# exercise: pool
# mistake: each request makes a pool of its own, and so a connection of its own
# fails with: 30 queries at once are served by at most 4 connections
class Pool:
    def __init__(self, size):
        self.size = size

    def query(self, statement):
        pool = psycopg2.pool.ThreadedConnectionPool(1, self.size, **SERVER)
        try:
            return sql(statement, by=pool.getconn())
        finally:
            pool.closeall()
