# exercise: catch-up
# mistake: the note is gone before MongoDB has confirmed
# fails with: what could not be written is written the next time
with connection:
    noted = {user for (user,) in sql("DELETE FROM users_changed RETURNING user_id", by=connection)}
with connection:
    rows = sql(f"SELECT {COLUMNS} FROM users WHERE id = ANY (%s)", list(noted), by=connection)
write(rows, noted - {row[0] for row in rows})
