# exercise: catch-up
# mistake: takes away all notes at the end, those too that have come in the meantime
# fails with: a change during the copy is not forgotten
with connection:
    noted = {user for (user,) in sql("SELECT user_id FROM users_changed", by=connection)}
    rows = sql(f"SELECT {COLUMNS} FROM users WHERE id = ANY (%s)", list(noted), by=connection)
    write(rows, noted - {row[0] for row in rows})
    sql("DELETE FROM users_changed", by=connection)
