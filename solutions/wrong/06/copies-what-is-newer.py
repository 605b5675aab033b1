# exercise: catch-up
# mistake: copies what has a higher id than the last copy: nobody who was corrected or deleted since
# fails with: a new, a corrected and a deleted user arrive
newest = max((user["_id"] for user in users.find({}, {"_id": 1})), default=0)
with connection:
    write(sql(f"SELECT {COLUMNS} FROM users WHERE id > %s", newest, by=connection), set())
    sql("DELETE FROM users_changed", by=connection)
